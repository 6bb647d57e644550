"""What every class of the guide stands on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from guide_world import URL, StandIn, stand_in
from memory_world import World

from kato_tasks import InvalidInput, Settings, TTLManager
from kato_tasks.guide.base import instance_at, mint_key

INSTANCES = {
    "a": "http://kato-1:8000",
    "b": "http://user:secret@kato-2:8000/base",
    "c": "https://kato-3",
    "d": "http://127.0.0.1:8000",
}


@pytest.fixture
def world() -> Iterator[World]:
    with World() as opened:
        yield opened


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, world: World) -> list[StandIn]:
    return stand_in(monkeypatch, world)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://kato-1:8000", "a"),
        ("http://kato-1:8000/", "a"),
        ("HTTP://KATO-1:8000", "a"),
        ("http://user:secret@kato-2:8000/base", "b"),
        ("http://kato-2:8000/base/", "b"),
        ("https://kato-3:443", "c"),
        ("http://localhost:8000", "d"),
        ("http://127.0.0.1:8000", "d"),
    ],
)
def test_an_instance_is_found_by_its_url(url: str, name: str) -> None:
    assert instance_at(Settings.load(instances=INSTANCES), url) == name


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://kato-1:8001", "'http://kato-1:8001'"),
        ("https://kato-1:8000", "'https://kato-1:8000'"),
        ("http://kato-2:8000", "'http://kato-2:8000'"),
        ("http://me:hidden@kato-9", "'http://***@kato-9'"),
        ("me:hidden@kato-9", "'***@kato-9'"),
        ("http://me:hid den@kato-9", "'http://***@kato-9'"),
        ("http://me:hid@den/@kato-9", "'http://***@kato-9'"),
        ("http://kato-1:8000?x=1", "'http://kato-1:8000?x=1'"),
        ("http://kato-1:99999", "'http://kato-1:99999'"),
        ("http://[kato-1", "'http://[kato-1'"),
        ("", "''"),
        (8000, "8000"),
        (b"http://kato-1:8000", "b'http://kato-1:8000'"),
    ],
)
def test_a_url_that_no_instance_has_is_refused(url: object, shown: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        instance_at(Settings.load(instances=INSTANCES), url)
    assert str(caught.value) == (
        f"kato_url is {shown}, which no configured instance has; allowed: "
        "http://kato-1:8000 (a), http://***@kato-2:8000/base (b), https://kato-3 (c), "
        "http://127.0.0.1:8000 (d)."
    )


@pytest.mark.usefixtures("opened")
def test_so_is_it_where_a_class_is_made() -> None:
    with pytest.raises(InvalidInput, match=r"http://127\.0\.0\.1:8000 \(default\)"):
        TTLManager("http://elsewhere:8000")


def test_it_connects_at_its_first_use_once(opened: list[StandIn]) -> None:
    with TTLManager(URL) as manager:
        assert opened == []
        manager.create_session_with_ttl("n", 60)
        manager.create_session_with_ttl("n", 60)
        assert len(opened) == 1
        assert manager.instance == "default"
    assert [one.closed for one in opened] == [1]


def test_it_may_be_closed_again_and_used_again(opened: list[StandIn]) -> None:
    manager = TTLManager(URL)
    manager.close()
    manager.create_session_with_ttl("n", 60)
    manager.close()
    manager.close()
    manager.create_session_with_ttl("n", 60)
    assert [one.closed for one in opened] == [1, 0]


def test_no_two_minted_keys_are_the_same() -> None:
    assert len({mint_key() for _ in range(100)}) == 100
