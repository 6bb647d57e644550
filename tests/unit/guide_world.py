"""The guide's classes on a kato_tasks in memory."""

from __future__ import annotations

import pytest
from memory_world import World

from kato_tasks.settings import Settings

URL = "http://localhost:8000"
"""As the guide writes it; the settings' default server."""


class StandIn:
    """Stands in for a KatoTasks.

    Attributes:
        services: The world.
        closed: How often it was closed.
    """

    def __init__(self, world: World) -> None:
        self.services = world
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def stand_in(monkeypatch: pytest.MonkeyPatch, world: World) -> list[StandIn]:
    """Have the guide's classes work in a world; what they open, as they open it."""
    opened: list[StandIn] = []

    def open_(settings: Settings) -> StandIn:
        assert settings is world.settings
        opened.append(StandIn(world))
        return opened[-1]

    monkeypatch.setattr("kato_tasks.guide.base.KatoTasks", open_)
    monkeypatch.setattr("kato_tasks.guide.base.find_settings", lambda: world.settings)
    return opened
