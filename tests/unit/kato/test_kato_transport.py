"""What every failure and every status becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from kato_tasks.errors import (
    AnswerLost,
    CallRejected,
    Final,
    InvalidInput,
    KatoBusy,
    KatoError,
    KatoUnreachable,
    NoFreeConnection,
    OutcomeUnknown,
    Retryable,
    RouteMissing,
    ServerFault,
    SessionNotFound,
)
from kato_tasks.kato import KatoClient
from kato_tasks.models import DialectName

# Every exception that httpx publishes. A new one has to be thought about, and then added here.
EXPECTED: dict[str, type[KatoError]] = {
    "CloseError": AnswerLost,
    "ConnectError": KatoUnreachable,
    "ConnectTimeout": KatoUnreachable,
    "CookieConflict": ServerFault,
    "DecodingError": ServerFault,
    "HTTPError": AnswerLost,
    "HTTPStatusError": ServerFault,
    "InvalidURL": CallRejected,
    "LocalProtocolError": CallRejected,
    "NetworkError": AnswerLost,
    "PoolTimeout": NoFreeConnection,
    "ProtocolError": AnswerLost,
    "ProxyError": AnswerLost,
    "ReadError": AnswerLost,
    "ReadTimeout": AnswerLost,
    "RemoteProtocolError": AnswerLost,
    "RequestError": AnswerLost,
    "RequestNotRead": AnswerLost,
    "ResponseNotRead": AnswerLost,
    "StreamClosed": AnswerLost,
    "StreamConsumed": AnswerLost,
    "StreamError": AnswerLost,
    "TimeoutException": AnswerLost,
    "TooManyRedirects": CallRejected,
    "TransportError": AnswerLost,
    "UnsupportedProtocol": CallRejected,
    "WriteError": AnswerLost,
    "WriteTimeout": AnswerLost,
}
BRANCHES = (Retryable, OutcomeUnknown, Final)


def client(handler: Callable[[httpx.Request], httpx.Response]) -> KatoClient:
    return KatoClient(
        "http://kato.test", transport=httpx.MockTransport(handler), dialect=DialectName.V3
    )


def refusal(status: int, **body: Any) -> KatoError:  # noqa: ANN401 - what httpx.Response takes
    """Return the error that an answer of this status becomes."""
    kato = client(lambda _request: httpx.Response(status, **body))
    with kato, pytest.raises(KatoError) as caught:
        kato.observe("session-1", b'{"strings":["secret"]}')
    return caught.value


def published_exceptions() -> dict[str, type[Exception]]:
    return {
        name: kind
        for name, kind in vars(httpx).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }


def test_every_exception_that_httpx_publishes_is_decided() -> None:
    assert set(published_exceptions()) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_exception_of_httpx_becomes_exactly_one_class(name: str) -> None:
    kind = published_exceptions()[name]
    failure = kind.__new__(kind, "no luck")  # their constructors differ; only the class matters

    def handler(_request: httpx.Request) -> httpx.Response:
        raise failure

    with client(handler) as kato, pytest.raises(KatoError) as caught:
        kato.learn("session-1")
    assert type(caught.value) is EXPECTED[name]
    assert sum(isinstance(caught.value, branch) for branch in BRANCHES) == 1
    assert caught.value.__cause__ is failure
    assert caught.value.call == "POST /sessions/{id}/learn"


def test_an_exception_that_httpx_has_yet_to_invent_assumes_least() -> None:
    class NewFailure(httpx.TransportError):
        pass

    def handler(_request: httpx.Request) -> httpx.Response:
        msg = "what is this"
        raise NewFailure(msg)

    with client(handler) as kato, pytest.raises(AnswerLost, match="NewFailure: what is this"):
        kato.learn("session-1")


def expected_of_status(status: int) -> type[KatoError] | None:
    special: dict[int, type[KatoError]] = {404: ServerFault, 405: RouteMissing}
    if status in special:
        return special[status]
    if 200 <= status < 300:
        return None
    return CallRejected if 300 <= status < 500 else ServerFault


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_becomes_exactly_one_class(status: int) -> None:
    kato = client(lambda _request: httpx.Response(status, text="words"))
    expected = expected_of_status(status)
    if expected is None:
        kato.clear_stm("session-1")
        return
    with pytest.raises(KatoError) as caught:
        kato.clear_stm("session-1")
    assert type(caught.value) is expected
    assert caught.value.status == status
    assert sum(isinstance(caught.value, branch) for branch in BRANCHES) == 1


def test_the_connection_limit_may_be_repeated() -> None:
    assert type(refusal(503, text="Service Unavailable")) is KatoBusy


@pytest.mark.parametrize(
    "body", [{"text": "upstream"}, {"json": "Service Unavailable"}, {"html": "Service Unavailable"}]
)
def test_any_other_503_may_have_had_an_effect(body: dict[str, Any]) -> None:
    assert type(refusal(503, **body)) is ServerFault


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "SESSION_NOT_FOUND", "message": "Session x not found or expired"}},
        {"detail": "Session x not found or expired"},
        {"detail": "Session x not found"},
    ],
)
def test_the_three_shapes_of_a_missing_session(body: dict[str, Any]) -> None:
    error = refusal(404, json=body)
    assert type(error) is SessionNotFound
    assert error.reason.startswith("Session x not found")


def test_a_missing_route_is_final() -> None:
    assert type(refusal(404, json={"detail": "Not Found"})) is RouteMissing


@pytest.mark.parametrize("body", [{"text": "no backend"}, {"json": {"detail": 7}}, {"json": []}])
def test_a_404_in_other_words_proves_nothing(body: dict[str, Any]) -> None:
    assert type(refusal(404, **body)) is ServerFault


def test_a_422_names_the_places_and_leaves_the_input_out() -> None:
    detail = [
        {"loc": ["body", "strings", 0], "msg": "Input should be a valid string", "input": "secret"},
        {"loc": ["query", "ttl"], "msg": "Too small", "input": "secret"},
    ]
    error = refusal(422, json={"detail": detail})
    assert type(error) is CallRejected
    assert error.reason == "body.strings.0: Input should be a valid string; query.ttl: Too small"


def test_a_400_for_a_config_names_its_keys() -> None:
    problems = {"persistence": "Must be an integer between 1 and 100"}
    detail = {"error": "Configuration validation failed", "validation_errors": problems}
    error = refusal(400, json={"detail": detail})
    assert error.reason == "persistence: Must be an integer between 1 and 100"


def test_json_of_an_unknown_shape_is_not_shown() -> None:
    """It may echo the request."""
    error = refusal(400, json={"received": {"strings": ["secret"]}})
    assert error.reason == "no reason given"


def test_a_long_reason_is_cut_and_control_characters_are_replaced() -> None:
    error = refusal(500, text="a\x1b[31m\nb" + "x" * 5000)
    assert error.reason.startswith("a [31m b")
    assert error.reason.isprintable()
    assert len(error.reason) == 300


def test_redirects_are_not_followed() -> None:
    """A redirected POST would be repeated as a GET, elsewhere."""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(307, headers={"location": "/elsewhere"})

    with client(handler) as kato, pytest.raises(CallRejected):
        kato.health()
    assert seen == ["/health"]


@pytest.mark.parametrize(
    "url", ["kato:8000", "ftp://kato", "http://", "http://kato:port", "http://kato?a=1", ""]
)
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="base_url"):
        KatoClient(url)


@pytest.mark.parametrize("session_id", ["", ".", "..", "a\nb", "\ud800"])
def test_what_can_be_no_session_id_is_refused_unsent(session_id: str) -> None:
    """An empty or dotted id would make another path of it."""
    with client(lambda _request: httpx.Response(200)) as kato:
        with pytest.raises(InvalidInput, match="session_id"):
            kato.delete_session(session_id)
        assert kato.calls == 0


def test_a_session_id_is_quoted_into_one_segment() -> None:
    seen: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200)

    with KatoClient(
        "http://kato.test/base/", transport=httpx.MockTransport(handler), dialect=DialectName.V3
    ) as kato:
        kato.extend("a/b?c#d e%é", 60)
        assert kato.base_url == "http://kato.test/base"
    assert seen == [b"/base/sessions/a%2Fb%3Fc%23d%20e%25%C3%A9/extend?ttl_seconds=60"]


def test_a_url_too_long_to_write_is_final() -> None:
    with (
        client(lambda _request: httpx.Response(200)) as kato,
        pytest.raises(CallRejected, match="InvalidURL"),
    ):
        kato.delete_session("x" * 100_000)


def test_a_closed_client_sends_nothing() -> None:
    kato = client(lambda _request: httpx.Response(200))
    kato.close()
    kato.close()
    with pytest.raises(KatoUnreachable, match="closed"):
        kato.health()
    assert kato.calls == 0
