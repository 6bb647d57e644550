"""What options of several commands mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from pydantic import JsonValue

from kato_tasks.errors import InvalidInput
from kato_tasks.settings import parse_instances


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
        InvalidInput: It cannot be read, is no text, or has no key.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{str(file)!r} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InvalidInput(
            "--file", problem, "a text file with a session key on each line"
        ) from None
    keys = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not keys:
        raise InvalidInput("--file", f"{str(file)!r} has no key", "a session key on each line")
    return keys


def _has_name(part: str) -> bool:
    """Tell ``name=url`` from a URL, which may have a ``=`` in it."""
    name, separator, _ = part.partition("=")
    return bool(separator) and "://" not in name
