"""Running a set of processes on one machine: ports, an embedded store, supervision, a run file.

This package knows processes, ports and files. It knows neither Celery nor KATO, and it prints
nothing: what happens is reported through callbacks and one log file.
"""

from __future__ import annotations

from kato_tasks.stack.errors import StackError
from kato_tasks.stack.ports import free_port, wait_for_port
from kato_tasks.stack.runfile import (
    RunFile,
    default_run_file,
    read_run_file,
    remove_run_file,
    write_run_file,
)
from kato_tasks.stack.store import find_store_binary, ping_store, store_command
from kato_tasks.stack.supervisor import Backoff, Event, ProcessSpec, Supervisor

__all__ = [
    "Backoff",
    "Event",
    "ProcessSpec",
    "RunFile",
    "StackError",
    "Supervisor",
    "default_run_file",
    "find_store_binary",
    "free_port",
    "ping_store",
    "read_run_file",
    "remove_run_file",
    "store_command",
    "wait_for_port",
    "write_run_file",
]
