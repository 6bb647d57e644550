"""Which sessions are to become ours, and how a file says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from kato_tasks import naming
from kato_tasks.errors import InvalidInput
from kato_tasks.observations import shown
from kato_tasks.settings import Settings

_ALLOWED: Final = "a session id, or a key, a tab or a comma, and a session id"


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A session that is to become ours.

    Attributes:
        key: The session key that it gets.
        session_id: The server's name for it.
    """

    key: str
    session_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What sessions are to become ours, and how.

    Attributes:
        instance: The instance that has them.
        sessions: These; none if all that the server lists are meant.
        node: Only those of this node; None for those of any.
        tags: Names to find them by, later.
    """

    instance: str
    sessions: tuple[Named, ...] = ()
    node: str | None = None
    tags: tuple[str, ...] = ()


def make_request(  # noqa: PLR0913 - what a person may choose
    settings: Settings,
    sessions: Sequence[Named],
    *,
    every: bool = False,
    instance: str | None = None,
    node: str | None = None,
    tags: Sequence[str] = (),
) -> Request:
    """Return a request, checked before any server is asked.

    Args:
        settings: Which instances there are.
        sessions: The sessions, each once.
        every: All that the server lists are meant, and ``sessions`` is empty.
        instance: The instance that has them; may be left out where there is one only.
        node: Only those of this node.
        tags: Names to find them by.

    Raises:
        InvalidInput: Neither sessions nor ``every`` is given, or both; a session or a key is
            there twice; several instances are configured and none is named; a tag is none.
        UnknownInstance: No such instance is configured.
    """
    if bool(sessions) == every:
        problem = "are named and all are asked for" if sessions else "are not named"
        raise InvalidInput("sessions", problem, "session ids, a file of them, or all")
    _check_once("session", [one.session_id for one in sessions])
    _check_once("key", [one.key for one in sessions])
    return Request(
        instance=_check_instance(settings, instance),
        sessions=tuple(sessions),
        node=node,
        tags=naming.check_tags(tuple(tags)),
    )


def read_names(lines: Iterable[bytes], source: str) -> tuple[Named, ...]:
    """Return the sessions that a file names, in its order; blank lines are passed over.

    Args:
        lines: Its lines: a session id, which is its key too; or a key, a tab or a comma, and the
            session id.
        source: The file's name, for errors.

    Raises:
        InvalidInput: It cannot be read, a line is neither, or there is none.
    """
    names: list[Named] = []
    try:
        for number, line in enumerate(lines, 1):
            if line.strip():
                names.append(_named(line, f"line {number} of {source!r}"))
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise InvalidInput(f"file {source!r}", problem, "a readable file") from None
    if not names:
        raise InvalidInput(f"file {source!r}", "names no session", f"lines with {_ALLOWED}")
    return tuple(names)


def _named(line: bytes, subject: str) -> Named:
    try:
        text = line.decode().strip("\r\n")
    except UnicodeDecodeError:
        raise InvalidInput(subject, f"is {shown(line)}", "text in UTF-8") from None
    before, separator, after = text.partition("\t")
    if not separator:
        # A key may hold commas; the id that a server makes does not.
        before, separator, after = text.rpartition(",")
    session_id, key = after.strip(), before.strip() if separator else after.strip()
    if not key or not session_id or "\t" in session_id:
        raise InvalidInput(subject, f"is {shown(text)}", _ALLOWED)
    return Named(key=key, session_id=session_id)


def _check_once(what: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInput(what, f"{shown(name)} is named twice", "each once")
        seen.add(name)


def _check_instance(settings: Settings, instance: str | None) -> str:
    if instance is None:
        if len(settings.instances) > 1:
            known = ", ".join(sorted(settings.instances))
            raise InvalidInput("instance", "is not named, and there are several", f"one of {known}")
        return next(iter(settings.instances))
    settings.instance_url(instance)
    return instance
