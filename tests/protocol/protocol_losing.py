"""A store whose answers get lost: what was asked for has been done, and nobody hears of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import TypeVar

import redis

from kato_tasks.errors import StoreUnavailable
from kato_tasks.scripts import Call, Runner

R = TypeVar("R")


def script_names() -> list[str]:
    """Return the names of all scripts."""
    folder = files("kato_tasks.scripts").iterdir()
    names = (one.name.partition(".") for one in folder if one.name.endswith(".lua"))
    return sorted(name for name, _, _ in names)


class LosingRunner(Runner):
    """Runs scripts, and loses some answers of one of them.

    Args:
        client: The connections.
        url: The store's URL.
        script: Whose answers get lost.
        times: How many; three are those of all attempts at one step.

    Attributes:
        lost: How many were lost so far.
    """

    def __init__(self, client: redis.Redis, url: str, *, script: str, times: int) -> None:
        super().__init__(client, url)
        self.lost = 0
        self._script = script
        self._times = times

    def run(self, call: Call[R], *, command_ids: Sequence[str] = ()) -> R:
        answer = super().run(call, command_ids=command_ids)
        self._lose(call, command_ids)
        return answer

    def run_all(self, calls: Sequence[Call[R]], *, command_ids: Sequence[str] = ()) -> list[R]:
        answers = super().run_all(calls, command_ids=command_ids)
        if len(calls) > 1:
            self._lose(calls[0], command_ids)
        return answers

    def _lose(self, call: Call[R], command_ids: Sequence[str]) -> None:
        if call.script.name == self._script and self.lost < self._times:
            self.lost += 1
            raise StoreUnavailable(self.url, "the answer was lost", command_ids)


def again(step: Callable[[], R]) -> R:
    """Repeat a step until it is answered, as whoever needs the answer does."""
    for _ in range(5):
        try:
            return step()
        except StoreUnavailable:
            continue
    return step()
