"""The one error of this package."""

from __future__ import annotations

from collections.abc import Sequence

from kato_tasks.errors import KatoTasksError


class StackError(KatoTasksError):
    """The stack, or a file it needs, could not be set up.

    Args:
        subject: What failed: the name of a process, or ``"the run file <path>"``.
        problem: What happened to it, such as ``"was not ready within 30 s"``.
        last_lines: The last lines that process wrote, oldest first; empty if there are none.
    """

    def __init__(self, subject: str, problem: str, last_lines: Sequence[str] = ()) -> None:
        super().__init__(subject, problem, list(last_lines))
        self.subject = subject
        self.problem = problem
        self.last_lines = tuple(last_lines)

    def __str__(self) -> str:
        sentence = f"{self.subject} {self.problem}"
        if not self.last_lines:
            return f"{sentence}."
        return "\n    ".join([f"{sentence}; its last lines:", *self.last_lines])
