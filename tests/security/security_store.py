"""Stores with further options, and TLS in front of one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kato_tasks.stack import find_store_binary, free_port, store_command, wait_for_port

HOST = "127.0.0.1"
_FRONT = Path(__file__).with_name("security_front.py")


@contextmanager
def store(folder: Path, *options: str, port: int | None = None) -> Iterator[int]:
    """Run a store with further options; its port."""
    binary = find_store_binary()
    assert binary is not None, "no store binary: install the extra 'embedded'"
    port = port or free_port()
    command = [*store_command(binary, port=port, data_dir=folder), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            assert wait_for_port(HOST, port, timeout=30)
            yield port
        finally:
            process.terminate()


@contextmanager
def tls_before(target: int, certificate: Path, key: Path) -> Iterator[int]:
    """Speak TLS in front of a server on this machine; the port."""
    command = [sys.executable, str(_FRONT), str(target), str(certificate), str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()
