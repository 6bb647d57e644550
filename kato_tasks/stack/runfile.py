"""The file by which a second terminal finds the stack that runs."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kato_tasks.stack.errors import StackError

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class RunFile:
    """Where the parts of a running stack are.

    Attributes:
        pid: The supervisor.
        started_at: When it started, ISO 8601.
        data_dir: The folder that keeps the data.
        redis_url: Our store; it may hold a password.
        broker_url: Celery's broker; it may hold a password.
        instances: The URLs of the KATO servers, by instance name.
        flower_url: Flower, or None if it does not run.
        log: The log of all processes.
        pids: Their pids when the file was written, by name; a restart changes them.
        settings: ``KATO_TASKS_*`` variables that other commands need to talk to this stack.
    """

    pid: int
    started_at: str
    data_dir: str
    redis_url: str
    broker_url: str
    instances: Mapping[str, str]
    flower_url: str | None
    log: str
    pids: Mapping[str, int]
    settings: Mapping[str, str]


def default_run_file() -> Path:
    """Say where the run file is, and make its folder.

    Returns:
        ``$KATO_TASKS_RUN_FILE``; else ``kato-tasks/run.json`` in ``$XDG_RUNTIME_DIR`` if that is
        our own writable folder; else ``kato-tasks-<uid>/run.json`` in the folder for temporary
        files. The last two are in a folder with mode 0700.

    Raises:
        StackError: The folder cannot be made, or is not ours: what somebody else wrote there
            would be believed.
    """
    named = os.environ.get("KATO_TASKS_RUN_FILE")
    if named:
        return Path(named).expanduser()
    try:
        folder = _default_folder()
        _make_private(folder)
    except OSError as error:
        raise StackError(
            subject="the folder of the run file", problem=f"cannot be made ({error})"
        ) from error
    return folder / "run.json"


def write_run_file(path: Path, run: RunFile) -> None:
    """Write ``run`` with mode 0600; a reader sees the old content or the new, nothing between.

    A missing folder is made with mode 0700.

    Raises:
        StackError: It cannot be written.
    """
    text = json.dumps(vars(run), default=dict, indent=2) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        raise StackError(
            subject=f"the run file {path}", problem=f"cannot be written ({error})"
        ) from error


def read_run_file(path: Path) -> RunFile | None:
    """Read the run file of a stack that runs.

    Returns:
        None if there is no file, if it cannot be read or understood, or if its pid is no process
        of ours (any more). A pid that was given to another process since is not noticed.
    """
    run = _load(path)
    return run if run is not None and _is_alive(run.pid) else None


def remove_run_file(path: Path, pid: int) -> None:
    """Remove the run file if it is the one of supervisor ``pid``; otherwise leave it alone."""
    run = _load(path)
    if run is not None and run.pid == pid:
        path.unlink(missing_ok=True)


def _default_folder() -> Path:
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and _is_usable(runtime):
        return runtime / "kato-tasks"
    return Path(tempfile.gettempdir()) / f"kato-tasks-{os.geteuid()}"


def _is_usable(folder: Path) -> bool:
    # Under sudo the variable may still name the folder of the user who called it.
    return (
        folder.is_dir()
        and folder.stat().st_uid == os.geteuid()
        and os.access(folder, os.W_OK | os.X_OK)
    )


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()  # not stat: a link in a shared folder may be somebody else's
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(
            subject=f"the folder {folder}", problem="is not our own, so its run file is not used"
        )
    if stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
        folder.chmod(0o700)


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _load(path: Path) -> RunFile | None:
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _parse(raw: object) -> RunFile:
    found = _mapping(raw, object)
    flower = found["flower_url"]
    return RunFile(
        pid=_value(found["pid"], int),
        started_at=_value(found["started_at"], str),
        data_dir=_value(found["data_dir"], str),
        redis_url=_value(found["redis_url"], str),
        broker_url=_value(found["broker_url"], str),
        instances=_mapping(found["instances"], str),
        flower_url=None if flower is None else _value(flower, str),
        log=_value(found["log"], str),
        pids=_mapping(found["pids"], int),
        settings=_mapping(found["settings"], str),
    )


def _value(raw: object, kind: type[_T]) -> _T:
    if not isinstance(raw, kind):
        raise TypeError
    return raw


def _mapping(raw: object, kind: type[_T]) -> dict[str, _T]:
    # JSON has no keys but strings.
    return {key: _value(value, kind) for key, value in _value(raw, dict).items()}


def _is_alive(pid: int) -> bool:
    if pid <= 0:  # kill() would take it for a whole group
        return False
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        # Not permitted means: somebody else's process, so not the one that wrote our file.
        return False
    return True
