"""A dialect may be set per instance."""

from __future__ import annotations

import pytest

from kato_tasks.breakers import Watch
from kato_tasks.clients import Clients
from kato_tasks.errors import InvalidInput
from kato_tasks.kato import GUIDE
from kato_tasks.models import DialectName
from kato_tasks.settings import Settings
from kato_tasks.testing import MemoryBreakers, MemoryConnections, MemoryStore

TWO = "a=http://127.0.0.1:8001,b=http://127.0.0.1:8002"


@pytest.mark.parametrize("text", ["b=guide", '{"b": "guide"}', " b = guide ,"])
def test_it_is_read_like_the_instances(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KATO_TASKS_INSTANCES", TWO)
    monkeypatch.setenv("KATO_TASKS_DIALECTS", text)
    assert Settings.load().dialects == {"b": DialectName.GUIDE}


def test_a_lone_word_is_the_default_instances() -> None:
    assert Settings.load(dialects="v3").dialects == {"default": DialectName.V3}


@pytest.mark.parametrize(
    ("dialects", "words"),
    [
        ("c=guide", "name the instance 'c'; allowed: one of a, b"),
        ("guide", "name the instance 'default'"),
        ("b=giude", "say 'giude' of the instance 'b'; allowed: v3 or guide"),
        ({"b": 3}, "say 3 of the instance 'b'"),
        ("b=v3,b=guide", "every name once"),
        ('{"b": 1}', "a JSON object of words by name"),
    ],
)
def test_a_mistake_is_named(dialects: object, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        Settings.load(instances=TWO, dialects=dialects)
    assert "dialects" in str(caught.value)


def test_the_client_of_the_instance_is_told() -> None:
    settings = Settings.load(instances=TWO, dialects="b=guide")
    store = MemoryStore()
    watch = Watch(MemoryBreakers(store, settings))
    clients = Clients(settings, MemoryConnections(store, settings), watch)
    try:
        assert clients("b").dialect is GUIDE
        assert clients("b").calls == 0
    finally:
        clients.close()
