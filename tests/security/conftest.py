"""Processes of each test's own, an authority, and a development server for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from security_certificates import Authority, make_authority
from security_processes import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Starts processes, and kills them in the end."""
    with Site(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a development server."""
    with Site(tmp_path_factory.mktemp("server")) as shared:
        yield shared.devserver().url


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs the certificates that are trusted."""
    return make_authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority, whom nobody here has reason to trust."""
    return make_authority(tmp_path_factory.mktemp("tls") / "stranger")
