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
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a development server."""
    shared = Site(tmp_path_factory.mktemp("server"))
    yield shared.devserver().url
    shared.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs the certificates that are trusted."""
    return make_authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority, whom nobody here has reason to trust."""
    return make_authority(tmp_path_factory.mktemp("tls") / "stranger")
