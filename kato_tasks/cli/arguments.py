"""What options of several commands mean."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from kato_tasks.errors import InvalidInput
from kato_tasks.naming import MAX_KEY_BYTES
from kato_tasks.observations import shown
from kato_tasks.settings import parse_instances

_LONGEST_LINE: Final = 4 * MAX_KEY_BYTES


def instances_from(urls: Sequence[str]) -> dict[str, str]:
    """Return the servers that repeated ``--kato [NAME=]URL`` options name, in their order.

    One URL alone is called ``default`` if it has no name. Of several, those without one are
    called ``kato-1``, ``kato-2`` and so on, past the names that are given.

    Args:
        urls: The options' values; each may also be what ``KATO_TASKS_INSTANCES`` may be.

    Raises:
        InvalidInput: A name is given twice, or cannot name an instance.
    """
    text = ",".join(urls)
    if text.lstrip().startswith("{"):
        return parse_instances(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > 1:
        given = {part.partition("=")[0].strip() for part in parts if _has_name(part)}
        free = (name for number in count(1) if (name := f"kato-{number}") not in given)
        parts = [part if _has_name(part) else f"{next(free)}={part}" for part in parts]
    return parse_instances(",".join(parts))


def names_from(text: str | None) -> tuple[str, ...]:
    """Return the names of an option that takes several between commas; none if it is not given.

    Raises:
        InvalidInput: It is given, and names nothing. The names are checked by who takes them.
    """
    if text is None:
        return ()
    names = tuple(name for part in text.split(",") if (name := part.strip()))
    if not names:
        raise InvalidInput("instances", f"are {text!r}", "names with commas between them")
    return names


def config_from(text: str | None) -> dict[str, JsonValue] | None:
    """Return the session config of a ``--config`` option: JSON text, or None for none.

    Raises:
        InvalidInput: It is no JSON object. Its keys and values are checked by who takes it.
    """
    if text is None:
        return None
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("config", f"is {text!r}", "a JSON object") from None
    if not isinstance(config, dict):
        raise InvalidInput("config", f"is {text!r}", "a JSON object")
    return config


def keys_from(file: Path) -> tuple[str, ...]:
    """Return the session keys of a file: one on each line; empty lines count for nothing.

    Raises:
        InvalidInput: It cannot be read, has no key, or a line that can name no session.
    """
    keys: dict[str, None] = {}
    try:
        with file.open("rb") as lines:
            # Bounded, since what is no list of keys may have lines of any length.
            for number in count(1):
                line = lines.readline(_LONGEST_LINE)
                if not line:
                    break
                if number == 1:
                    line = line.removeprefix(BOM_UTF8)
                key = _key_of(line, f"line {number} of --file {str(file)!r}")
                if key:
                    keys[key] = None
    except OSError as error:
        problem = f"{str(file)!r} cannot be read: {error.strerror or error}"
        raise InvalidInput(
            "--file", problem, "a text file with a session key on each line"
        ) from None
    if not keys:
        raise InvalidInput("--file", f"{str(file)!r} has no key", "a session key on each line")
    return tuple(keys)


def _key_of(line: bytes, subject: str) -> str:
    """Return the key on a line; empty for none."""
    allowed = f"a session key of up to {MAX_KEY_BYTES} bytes, as text in UTF-8"
    try:
        key = line.decode().strip()
    except UnicodeDecodeError:
        raise InvalidInput(subject, f"is {shown(line)}", allowed) from None
    if len(key.encode()) > MAX_KEY_BYTES:
        raise InvalidInput(subject, f"is {shown(key)}", allowed)
    return key


def _has_name(part: str) -> bool:
    """Tell ``name=url`` from a URL, which may have a ``=`` in it."""
    name, separator, _ = part.partition("=")
    return bool(separator) and "://" not in name
