"""One ``kato-tasks up`` for all tests of this folder, and a second terminal to use it from."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest
from acceptance_command import (
    USUAL_PORTS,
    Terminal,
    Up,
    background,
    clean_environment,
    run,
)


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """``kato-tasks up`` where the usual ports are taken."""
    folder = tmp_path_factory.mktemp("up")
    env = clean_environment(folder)
    with ExitStack() as stack:
        for port in USUAL_PORTS:
            with suppress(OSError):  # Somebody else has it: as good.
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        arguments = ("up", "--json", "--data-dir", str(folder / "data"))
        process = stack.enter_context(background(*arguments, env=env, folder=folder))
        yield Up(process=process, addresses=process.ready(), env=env, folder=folder)


@pytest.fixture
def terminal(up: Up) -> Terminal:
    """Runs commands in a second terminal, where they find the stack by themselves."""
    return partial(run, env=up.env)


@pytest.fixture
def alone(tmp_path: Path) -> Terminal:
    """Runs commands where no stack runs."""
    return partial(run, env=clean_environment(tmp_path))
