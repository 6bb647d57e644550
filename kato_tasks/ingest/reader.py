"""Reads events from JSON Lines; a bad line is a value that says where and why, not an error.

Everything about a line that needs no store is checked here, line by line: whether one is refused
must not depend on which lines stand beside it.
"""

from __future__ import annotations

import gzip
import json
import os
import reprlib
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, BinaryIO, Final, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from kato_tasks import naming
from kato_tasks.errors import InvalidInput
from kato_tasks.kato import validate_config
from kato_tasks.kato.config import validate_ttl
from kato_tasks.observations import Observation, encode_observation, explain, shown

STDIN: Final = "-"
_GZIP: Final = b"\x1f\x8b"
_LINE_SLACK: Final = 65_536
"""What a line may hold beside its observation: key, node, config, tags, timestamp."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One line: an observation for a session.

    Attributes:
        line: Its number in the file, from 1.
        session: The session key.
        node: The session's node; None for the key itself.
        payload: The observation as JSON.
        command_id: The line's own id; None to have one minted.
        config: Overrides of the server's session config.
        ttl: Seconds without a write after which the server forgets the session.
        tags: Names to find the session by.
    """

    line: int
    session: str
    node: str | None
    payload: bytes
    command_id: str | None
    config: dict[str, JsonValue] | None
    ttl: int | None
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One line that was not taken.

    Attributes:
        source: The file's name.
        line: Its number, from 1.
        reason: Why, as a sentence.
    """

    source: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.reason}"


def _check_ttl(ttl: object) -> int | None:
    if ttl is None:
        return None
    if isinstance(ttl, int) and ttl > 0:
        return validate_ttl("ttl", ttl)
    raise InvalidInput("ttl", f"is {reprlib.repr(ttl)}", "whole seconds, at least 1")


class _Line(Observation):
    """The fields of a line: those of an observation and those of its session."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    session: Annotated[str, AfterValidator(naming.check_key)]
    node_id: Annotated[str, AfterValidator(naming.check_node)] | None = None
    command_id: Annotated[str, AfterValidator(naming.check_command_id)] | None = None
    config: Annotated[dict[str, JsonValue], AfterValidator(validate_config)] | None = None
    ttl: Annotated[int | None, BeforeValidator(_check_ttl)] = None
    tags: Annotated[list[str], AfterValidator(naming.check_tags)] = Field(default_factory=list)
    timestamp: JsonValue = None


_OBSERVATION: Final = tuple(Observation.model_fields)


@contextmanager
def open_source(name: str) -> Iterator[BinaryIO]:
    """Open a file, plain or gzip, or standard input for ``-``.

    Raises:
        InvalidInput: It is not there, or may not be read.
    """
    if name == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        # A ValueError for a name that has a NUL, which no file has.
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(
            f"file {name!r}", f"cannot be read ({reason})", "a readable file"
        ) from None
    with file:
        yield file


def makes_wait(file: BinaryIO) -> bool:
    """Tell whether reading may have to wait for somebody who writes: true for all but files."""
    try:
        return not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:  # Nothing of the operating system's stands behind it.
        return True


def read_events(
    file: IO[bytes], source: str, *, max_observation_bytes: int
) -> Iterator[Event | Problem]:
    """Return the events of a JSON Lines file, plain or gzip, in order; blank lines are passed over.

    Args:
        file: The open file.
        source: Its name, for problems.
        max_observation_bytes: Longest observation that is accepted.
    """
    limit = max_observation_bytes + _LINE_SLACK
    number = 0
    try:
        for number, line in enumerate(_lines(_unpacked(file), limit), start=1):
            # Of a line that is too long only the beginning is here: it may be blank by chance.
            if not line.strip() and len(line) <= limit:
                continue
            try:
                yield _event(number, line, limit, max_observation_bytes)
            except InvalidInput as error:
                yield Problem(source=source, line=number, reason=str(error))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = f"the gzip data ends or breaks here ({error}); what comes after is not read."
        yield Problem(source=source, line=number + 1, reason=reason)
    except OSError as error:
        why = error.strerror or str(error)
        reason = f"the file cannot be read on from here ({why}); what comes after is not read."
        yield Problem(source=source, line=number + 1, reason=reason)


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    peek = getattr(file, "peek", None)
    if peek is not None and peek(2)[:2] == _GZIP:
        return cast("IO[bytes]", gzip.open(file))
    return file


def _lines(file: IO[bytes], limit: int) -> Iterator[bytes]:
    """Return lines of at most ``limit`` bytes, and one byte more of a longer one."""
    while line := file.readline(limit + 1):
        yield line
        while len(line) > limit and not line.endswith(b"\n"):
            line = file.readline(limit + 1)
            if not line:
                return


def _event(number: int, line: bytes, limit: int, max_bytes: int) -> Event:
    if len(line) > limit:
        raise InvalidInput("line", f"has more than {limit} bytes", "shorter lines")
    fields = _parsed(line)
    try:
        checked = _Line.model_validate(fields)
    except ValidationError as error:
        raise explain(error) from None
    if checked.node_id is None:
        naming.check_node(checked.session)  # The node of a session is its key by default.
    observation = Observation.model_construct(
        **{name: getattr(checked, name) for name in _OBSERVATION}
    )
    return Event(
        line=number,
        session=checked.session,
        node=checked.node_id,
        payload=encode_observation(observation, max_bytes=max_bytes),
        command_id=checked.command_id,
        config=checked.config,
        ttl=checked.ttl,
        tags=tuple(checked.tags),
    )


def _parsed(line: bytes) -> object:
    allowed = "one JSON object a line"
    try:
        fields = json.loads(line.decode("utf-8-sig"), object_pairs_hook=_named_once)
    except UnicodeDecodeError as error:
        raise InvalidInput("line", f"is no UTF-8 at byte {error.start}", allowed) from None
    except json.JSONDecodeError as error:
        problem = f"is no JSON ({error.msg} at column {error.colno})"
        raise InvalidInput("line", problem, allowed) from None
    except InvalidInput:
        raise
    except (RecursionError, ValueError) as error:
        raise InvalidInput("line", f"cannot be read ({error})", allowed) from None
    if not isinstance(fields, dict):
        raise InvalidInput("line", f"is a JSON {type(fields).__name__}", allowed)
    return fields


def _named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the fields of a JSON object; of a name given twice one value would be lost."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput("line", f"has the name {shown(twice)} twice", "every name once")
    return fields
