"""The command line: ``kato-tasks``. No command has logic of its own."""

from kato_tasks.cli.main import main

__all__ = ["main"]
