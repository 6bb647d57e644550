"""What a session key, a node id, an instance name and a tag may look like, and why."""

from __future__ import annotations

import re
from hashlib import sha1
from typing import Final

from kato_tasks.errors import InvalidInput

MAX_KEY_BYTES: Final = 512
MAX_NODE_BYTES: Final = 512
MAX_TAGS: Final = 32
MAX_TAG_BYTES: Final = 128
MAX_COMMAND_ID_BYTES: Final = 200

_FOLDED_LENGTH: Final = 60
_NOT_FOLDED: Final = re.compile(r"[^A-Za-z0-9_]")
_LETTER: Final = re.compile(r"(0|[1-9][0-9]{0,3}):((?:0|[1-9][0-9]{0,18})-(?:0|[1-9][0-9]{0,18}))")
_INSTANCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def _check_text(subject: str, value: object, limit: int) -> str:
    allowed = f"text of 1 to {limit} bytes in UTF-8"
    if not isinstance(value, str):
        raise InvalidInput(subject, f"is of type {type(value).__name__}", allowed)
    if not value:
        raise InvalidInput(subject, "is empty", allowed)
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        problem = f"has a lone surrogate at position {error.start}"
        raise InvalidInput(subject, problem, allowed) from None
    if size > limit:
        raise InvalidInput(subject, f"has {size} bytes", allowed)
    return value


def check_key(key: object) -> str:
    """Return ``key`` if it can name a session.

    Raises:
        InvalidInput: It is no text, empty, over 512 bytes in UTF-8, or has a lone surrogate.
    """
    return _check_text("session key", key, MAX_KEY_BYTES)


def check_command_id(command_id: object) -> str:
    """Return ``command_id`` if it can name a command.

    Raises:
        InvalidInput: It is no text, empty, over 200 bytes in UTF-8, or not printable.
    """
    text = _check_text("command_id", command_id, MAX_COMMAND_ID_BYTES)
    if not text.isprintable():
        raise InvalidInput("command_id", f"is {text!r}", "printable text")
    return text


def check_node(node: object) -> str:
    """Return ``node`` if a server keeps what it learns under it.

    Raises:
        InvalidInput: It is no text, empty, over 512 bytes in UTF-8, has a lone surrogate, or
            folds to ``test_…``: the server deletes the patterns of such nodes (kato-api 6).
    """
    text = _check_text("node", node, MAX_NODE_BYTES)
    if fold_node(text).startswith("test_"):
        raise InvalidInput(
            "node", f"is {text!r}", "any name that does not begin with test_ (KATO deletes those)"
        )
    return text


def check_instance_name(name: object) -> str:
    """Return ``name`` if it can name an instance.

    Raises:
        InvalidInput: It is not 1 to 63 letters, digits, ``.``, ``_`` or ``-``.
    """
    if isinstance(name, str) and _INSTANCE.fullmatch(name):
        return name
    raise InvalidInput("instance name", f"is {name!r}", "1 to 63 letters, digits, '.', '_' or '-'")


def check_tags(tags: object) -> tuple[str, ...]:
    """Return ``tags`` sorted and without repetition.

    Raises:
        InvalidInput: They are no list of at most 32 texts of 1 to 128 bytes each.
    """
    if isinstance(tags, (str, bytes)) or not isinstance(tags, (list, tuple, set, frozenset)):
        raise InvalidInput("tags", f"is of type {type(tags).__name__}", "a list of texts")
    checked = {_check_text("tags", tag, MAX_TAG_BYTES) for tag in tags}
    if len(checked) > MAX_TAGS:
        raise InvalidInput("tags", f"has {len(checked)} entries", f"at most {MAX_TAGS}")
    return tuple(sorted(checked))


def split_letter_id(letter: object) -> tuple[int, str]:
    """Return the shard of a dead letter, and its id in the stream of that shard.

    Raises:
        InvalidInput: It is none of the ids that dead letters have.
    """
    found = _LETTER.fullmatch(letter) if isinstance(letter, str) else None
    if found is None:
        allowed = "an id as 'kato-tasks dead-letters list' shows them, such as 3:1700000000000-0"
        raise InvalidInput("dead letter", f"is {letter!r}", allowed)
    return int(found[1]), found[2]


def fold_node(node: str) -> str:
    """Return the name under which a server files a node.

    Different node ids that fold alike share one knowledge base and one processor: everything
    but ASCII letters, digits and ``_`` becomes ``_``; long names are cut and hashed
    (kato-api 6). The hash is ours; only equality matters here.
    """
    folded = _NOT_FOLDED.sub("_", node)
    if len(folded) <= _FOLDED_LENGTH:
        return folded
    return f"{folded[:40]}_{sha1(folded.encode(), usedforsecurity=False).hexdigest()[:16]}"
