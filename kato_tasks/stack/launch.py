"""Become a command that ends when its parent does: ``launch.py PARENT_PID COMMAND [ARG...]``.

The supervisor runs this file by its path, in an isolated interpreter, instead of forking with a
``preexec_fn``, which may deadlock in a process with threads. It imports the standard library
only, so that it costs some 20 ms. The pid stays the same: the command replaces the launcher.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_NOT_FOUND = 127


def main(parent: int, command: list[str]) -> int:
    """Replace this process by ``command``, which gets SIGTERM when ``parent`` dies.

    Args:
        parent: The pid of the process that started this one.
        command: The program, looked up on the PATH, and its arguments.

    Returns:
        Only if it cannot be run: 127, after saying why on stderr; or 1 if the parent is gone.
        Elsewhere than on Linux the command runs, but outlives its parent.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The signal is only sent for a death from now on.
    if os.getppid() != parent:
        return 1
    # Python ignores these two, and an ignored signal stays ignored across exec.
    for name in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(name, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - running the caller's command is the purpose
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
    return _NOT_FOUND


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
