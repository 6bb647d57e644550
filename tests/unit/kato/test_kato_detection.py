"""How a client finds out which dialect a server speaks."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from kato_tasks.errors import KatoBusy, KatoUnreachable
from kato_tasks.kato import GUIDE, V3, KatoClient
from kato_tasks.models import DialectName

V3_PATHS: dict[str, object] = {"paths": {"/sessions/{session_id}/clear-stm": {"post": {}}}}
GUIDE_PATHS: dict[str, object] = {"paths": {"/sessions/{session_id}/clear_stm": {"post": {}}}}
NOBODY = "/sessions/kato-tasks-nobody/exists"
NO_ROUTE = httpx.Response(404, json={"detail": "Not Found"})


class Server:
    """Answers by path, with a 404 for everything else."""

    def __init__(self, answers: Mapping[str, httpx.Response]) -> None:
        self.lines: list[str] = []
        self._answers = answers
        self.kato = KatoClient("http://kato.test", transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.lines.append(f"{request.method} {request.url.path}")
        answer = self._answers.get(request.url.path, NO_ROUTE)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def okay(body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


@pytest.mark.parametrize(("paths", "dialect"), [(V3_PATHS, V3), (GUIDE_PATHS, GUIDE)])
def test_the_servers_description_decides(paths: object, dialect: object) -> None:
    server = Server({"/openapi.json": okay(paths)})
    assert server.kato.dialect is dialect
    assert server.lines == ["GET /openapi.json"]


NO_DESCRIPTION = [
    NO_ROUTE,
    httpx.Response(405, json={"detail": "Method Not Allowed"}),
    httpx.Response(500, text="Internal Server Error"),
    httpx.Response(200, text="<html>"),
    okay({"paths": {"/else": {}}}),
    okay({"paths": None}),
]


@pytest.mark.parametrize("description", NO_DESCRIPTION)
def test_without_a_description_the_answers_decide(description: httpx.Response) -> None:
    real = Server({"/openapi.json": description, NOBODY: okay({"exists": False})})
    assert real.kato.dialect is V3
    guide = Server({"/openapi.json": description, "/sessions": okay([])})
    assert guide.kato.dialect is GUIDE


def test_nothing_is_written_to_find_out() -> None:
    server = Server({"/sessions": okay([])})
    assert server.kato.dialect is GUIDE
    assert server.lines == ["GET /openapi.json", f"GET {NOBODY}", "GET /sessions"]


def test_the_server_is_asked_once_and_only_when_it_matters() -> None:
    server = Server({"/openapi.json": okay(V3_PATHS), "/health": okay({})})
    server.kato.health()
    assert server.lines == ["GET /health"]
    assert (server.kato.max_batch, server.kato.max_batch) == (None, None)
    assert server.lines == ["GET /health", "GET /openapi.json"]


def test_a_given_dialect_is_not_asked_for() -> None:
    with KatoClient("http://kato.test", dialect=DialectName.GUIDE) as kato:
        assert kato.dialect is GUIDE
        assert kato.calls == 0


def test_the_question_can_be_put_in_spite_of_a_given_dialect() -> None:
    transport = httpx.MockTransport(lambda _request: okay(V3_PATHS))
    with KatoClient("http://kato.test", dialect=DialectName.GUIDE, transport=transport) as kato:
        assert kato.detect_dialect() is V3
        assert kato.dialect is GUIDE


UNTELLABLE = [
    {},
    {NOBODY: httpx.Response(500, text="Internal Server Error")},
    {NOBODY: httpx.Response(403, json={"detail": "Forbidden"})},
]


@pytest.mark.parametrize("answers", UNTELLABLE)
def test_not_to_know_is_retryable_because_nothing_was_sent(
    answers: Mapping[str, httpx.Response],
) -> None:
    server = Server(answers)
    with pytest.raises(KatoUnreachable, match="dialect"):
        server.kato.observe("s", b"{}")
    assert not any(line.startswith("POST") for line in server.lines)


def test_a_lost_answer_to_the_question_leaves_no_doubt_about_the_call() -> None:
    """Read as an AnswerLost of the observe it would put the session in doubt."""

    def lose(request: httpx.Request) -> httpx.Response:
        message = "timed out"
        raise httpx.ReadTimeout(message, request=request)

    kato = KatoClient("http://kato.test", transport=httpx.MockTransport(lose))
    with pytest.raises(KatoUnreachable, match="its dialect cannot be told: ReadTimeout"):
        kato.observe("s", b"{}")


def test_a_full_server_stays_a_full_server() -> None:
    full = httpx.Response(503, text="Service Unavailable")
    with pytest.raises(KatoBusy):
        _ = Server({"/openapi.json": full}).kato.dialect


def test_what_failed_once_is_asked_again() -> None:
    answers = {"/openapi.json": NO_ROUTE}
    server = Server(answers)
    with pytest.raises(KatoUnreachable):
        _ = server.kato.dialect
    answers["/openapi.json"] = okay(GUIDE_PATHS)
    assert server.kato.dialect is GUIDE
