"""A password in the URL of a server."""

from __future__ import annotations

from contextlib import closing

import httpx

from kato_tasks.kato import KatoClient


def test_it_is_told_to_the_server_and_to_nobody_else() -> None:
    """The URL of a request is what the HTTP client logs, and that of the client what we show."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"active_session_count": 0})

    url = "http://me:s3cret%2F@kato:8000/prefix"
    with closing(KatoClient(url, transport=httpx.MockTransport(answer))) as client:
        client.count()
        assert client.base_url == "http://kato:8000/prefix"
    assert {request.headers["Authorization"] for request in seen} == {"Basic bWU6czNjcmV0Lw=="}
    assert not any("s3cret" in str(request.url) for request in seen)
