"""Contract: what a server says of itself, and what becomes of connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from kato_contract import Server, Sessions

from kato_tasks.errors import ServerFault
from kato_tasks.kato import KatoClient
from kato_tasks.models import DialectName


class Undescribed(httpx.HTTPTransport):
    """The network, but for the server's description."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/openapi.json"):
            return httpx.Response(404, json={"detail": "Not Found"})
        return super().handle_request(request)


@contextmanager
def undescribed(url: str) -> Iterator[KatoClient]:
    with KatoClient(url, transport=Undescribed()) as kato:
        yield kato


def test_the_dialect_is_the_same_by_description_and_by_answers(server: Server) -> None:
    described = server.kato.detect_dialect()
    with undescribed(server.url) as kato:
        assert kato.detect_dialect() is described


def test_it_is_healthy_and_has_a_version(kato: KatoClient) -> None:
    assert kato.health()["status"] == "healthy"
    assert kato.version().split(".")[0].isdigit()
    assert kato.openapi()["info"]


def test_the_description_has_every_route_of_the_dialect(kato: KatoClient) -> None:
    """What the dialect believes, the server says too."""
    paths = kato.openapi()["paths"]
    assert isinstance(paths, dict)
    there = {
        (method.upper(), path.replace("{session_id}", "{id}"))
        for path, methods in paths.items()
        if isinstance(methods, dict)
        for method in methods
    }
    assert {tuple(route) for route in kato.dialect.routes.values()} <= there


def test_the_server_tells_its_state(server: Server) -> None:
    """T:h_health_status_metrics."""
    server.needs_dialect(DialectName.V3, "the guide has neither route")
    assert server.kato.root()["status"] == "running"
    processors = server.kato.status()["processors"]
    assert isinstance(processors, dict)
    assert isinstance(processors["total_processors"], int)
    assert processors["max_processors"] == 100


def test_the_next_call_after_a_500_is_answered(
    server: Server, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kato-api 1, 0.5: the server closes the connection of a 500 without saying so."""
    server.needs_dialect(DialectName.V3, "how the guide's servers fail is not known")
    monkeypatch.setattr("kato_tasks.kato.client.validate_ttl", lambda _, seconds: seconds)
    session = sessions.make()
    for _ in range(10):
        # A negative TTL is the most harmless 500 there is (kato-api 2).
        with pytest.raises(ServerFault) as caught:
            server.kato.create_session(node_id="kato-suite", ttl_seconds=-5)
        assert caught.value.status == 500
        assert server.kato.get_stm(session) == []
