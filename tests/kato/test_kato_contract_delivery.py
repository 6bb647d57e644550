"""Contract: this project's own delivery, with nothing between it and the server but the client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kato_contract import Server, Sessions, seen

from kato_tasks.delivery import Deliverer, LeaseKeeper
from kato_tasks.models import Append, Group, Kind, SessionRecord, SessionSpec, Turn
from kato_tasks.settings import Settings
from kato_tasks.testing import (
    MemoryBreakers,
    MemoryLanes,
    MemoryLives,
    MemoryNodes,
    MemoryRegistry,
    MemoryStore,
)

_EVENTS = 30


@contextmanager
def delivered(server: Server, node: str, groups: Sequence[Group]) -> Iterator[SessionRecord]:
    """Deliver the commands of one session; its record, as long as the block lasts."""
    settings, store, keeper = Settings.load(), MemoryStore(), LeaseKeeper(1.0)
    lanes = MemoryLanes(store, settings)
    spec = SessionSpec(node=node, instance="default", ttl=600)
    lanes.append([Append(key="s", spec=spec, groups=tuple(groups))])
    nodes = MemoryNodes(store, settings)
    deliverer = Deliverer(
        lanes=lanes,
        lives=MemoryLives(store, settings),
        nodes=nodes,
        breakers=MemoryBreakers(store, settings),
        client=lambda _: server.kato,
        keeper=keeper,
        settings=settings,
    )
    try:
        while deliverer.deliver("s") is Turn.MORE:
            pass
        record = MemoryRegistry(store, settings).get("s")
        assert record is not None
        yield record
    finally:
        keeper.close()


def test_a_lane_arrives_complete_and_in_order(
    server: Server, sessions: Sessions, node: str
) -> None:
    """kato-api 0: on either dialect, whatever one call of it carries."""
    lessons = (seen("x"), seen("y"))
    events = tuple(seen(f"s{number}") for number in range(_EVENTS))
    groups = (
        Group(command_id="1", kind=Kind.OBSERVE, payloads=lessons),
        Group(command_id="2", kind=Kind.LEARN, payloads=(b"",)),
        Group(command_id="3", kind=Kind.CLEAR_STM, payloads=(b"",)),
        Group(command_id="4", kind=Kind.OBSERVE, payloads=events),
    )
    with delivered(server, node, groups) as record:
        assert record.session_id is not None
        sessions.keep(record.session_id)
        assert (record.doubt, record.waiting, record.time) == (None, 0, _EVENTS)
        stm = server.kato.get_stm(record.session_id)
    assert stm == [[f"s{number}"] for number in range(_EVENTS)]
