"""Compares the bodies of two answers, also those the recorder did not keep whole."""

import json
from collections.abc import Iterator
from pathlib import Path

from scorecard.comparing import Binding, differences
from scorecard.outline import outline
from scorecard.playing import Answer
from scorecard.recordings import Exchange, Json, omitted

_PAGE = "(html)"
_DESCRIPTION = "(see ../openapi.json)"


def compare(exchange: Exchange, answer: Answer, binding: Binding, folder: Path) -> Iterator[str]:
    """Say where an answer differs from the recorded one.

    Args:
        exchange: What was recorded.
        answer: What the devserver answered.
        binding: The names that are already known.
        folder: Where the transcripts lie; the description of the real server lies above.
    """
    if exchange.status != answer.status:
        yield f"status: recorded {exchange.status}, got {answer.status}"
    for name, value in exchange.answer_headers.items():
        got = answer.headers.get(name)
        if (got is not None if isinstance(value, bool) else got) != value:
            yield f"header {name}: recorded {value}, got {got}"
    yield from _bodies(exchange.answer, answer, binding, folder)


def _bodies(theirs: Json, answer: Answer, binding: Binding, folder: Path) -> Iterator[str]:
    length = omitted(theirs)
    if theirs == _PAGE:
        return
    if theirs == _DESCRIPTION:
        theirs = outline(json.loads((folder.parent / "openapi.json").read_text()))
        yield from differences(theirs, outline(answer.decoded), binding)
    elif length is not None:
        got = len(json.dumps(answer.decoded, ensure_ascii=False).encode())
        if got != length:
            yield f"length of the body: recorded {length}, got {got}"
    else:
        yield from differences(theirs, answer.decoded, binding)
