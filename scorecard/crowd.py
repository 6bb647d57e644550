"""Replays requests that came all at once to a server with few connections, on real sockets.

Which of many concurrent requests are served first is chance; that each one served was, and each
one refused was refused, is not. So those that were served come first, in the order the server
applied them, and keep their connections open as the recorded ones did; the others come after.
"""

import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from scorecard.comparing import Binding
from scorecard.playing import Answer
from scorecard.recordings import Exchange

_SERVER = (
    "from kato_tasks.devserver import Options, serve\n"
    "serve(Options(limit_concurrency={limit}), ready=lambda port: print(port, flush=True))"
)
_SERVED = 200


def play(exchanges: list[Exchange], limit: int, binding: Binding) -> list[Answer]:
    """Send the requests of one session to a server with ``limit`` connections; the answers.

    The session was made before the recording began: it is made here, and bound.
    """
    answers: dict[int, Answer] = {}
    with _running(limit) as port, ExitStack() as kept:
        theirs = exchanges[0].path.split("/")[2]
        binding.bind(theirs, _new_session(port, exchanges[0].answer["processor_id"]))
        for exchange in sorted(exchanges, key=_applied):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            kept.enter_context(closing(connection))
            answers[exchange.place] = _send(connection, exchange, binding)
    return [answers[exchange.place] for exchange in exchanges]


def _applied(exchange: Exchange) -> tuple[bool, int]:
    served = exchange.status == _SERVED
    return not served, exchange.answer["time"] if served else exchange.place


def _send(connection: http.client.HTTPConnection, exchange: Exchange, binding: Binding) -> Answer:
    path = binding.ours(exchange.path)
    connection.request(exchange.method, path, exchange.content, exchange.headers)
    got = connection.getresponse()
    headers = {name.lower(): value for name, value in got.getheaders()}
    return Answer(got.status, headers, got.read())


def _new_session(port: int, node_id: str) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        create = Exchange.of("POST", "/sessions", {"node_id": node_id})
        return str(_send(connection, create, Binding()).decoded["session_id"])


@contextmanager
def _running(limit: int) -> Iterator[int]:
    """A server in a process of its own; its port."""
    command = [sys.executable, "-c", _SERVER.format(limit=limit)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own interpreter, a text of our own
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()
