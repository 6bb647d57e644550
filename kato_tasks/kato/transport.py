"""The seam to HTTP: sends one request and says in our error tree what became of it.

This is the one place that translates what httpx says: every exception and every status, once; the
class of the result says what may be done next (see ``kato_tasks.errors``).
"""

from __future__ import annotations

import contextlib
import functools
import json
import reprlib
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import httpx

from kato_tasks.errors import (
    AnswerLost,
    CallRejected,
    InvalidInput,
    KatoBusy,
    KatoError,
    KatoUnreachable,
    NoFreeConnection,
    RouteMissing,
    ServerFault,
    SessionNotFound,
)
from kato_tasks.instrumentation import logger
from kato_tasks.kato.answers import Answer
from kato_tasks.kato.gate import Gate
from kato_tasks.kato.lines import Lines

MAX_REASON = 300

# The server closes a connection that was idle for 5 s. A request written while that close is
# under way dies unanswered, which looks like a lost answer. So ours are dropped well before: the
# margin covers a slow network and a busy client, and a new connection costs next to nothing. It
# also gives idle connections back sooner, which the server counts against its limit (kato-api 9).
KEEPALIVE_SECONDS = 3.0

_HEADERS = MappingProxyType(
    {
        "Accept": "application/json",
        # Compressing small answers on a local network costs both sides more than it saves.
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "kato-tasks",
    }
)

_HTTPX_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)

# What each failure proves. Whatever is not listed may have happened after the request was sent,
# or be of a kind that httpx has yet to invent: AnswerLost, the class that assumes least.
_PROOF: Mapping[type[Exception], type[KatoError]] = MappingProxyType(
    {
        # No connection was had, so no byte of the request has left.
        httpx.ConnectError: KatoUnreachable,
        httpx.ConnectTimeout: KatoUnreachable,
        httpx.PoolTimeout: NoFreeConnection,
        # The request cannot be written as HTTP; it never leaves, however often it is tried.
        httpx.InvalidURL: CallRejected,
        httpx.UnsupportedProtocol: CallRejected,
        httpx.LocalProtocolError: CallRejected,
        # Redirects are not followed. If they were, each one would be a refusal like any 3xx.
        httpx.TooManyRedirects: CallRejected,
        # An answer came, and nothing can be made of it.
        httpx.CookieConflict: ServerFault,
        httpx.DecodingError: ServerFault,
        httpx.HTTPStatusError: ServerFault,
    }
)


class Transport:
    """A pool of connections to one server; may be used by many threads, not across a fork.

    Proxies and other settings of the environment are not looked at: a proxy's own 503 or 404
    must not be taken for the server's.

    Args:
        base_url: ``http://`` or ``https://``, host, and a path prefix if there is one.
        timeout: Seconds without a byte sent or received; also for an answer's body as a whole.
        connect_timeout: Seconds to wait for a free connection, and seconds for a new one.
        max_connections: The most connections at a time.
        transport: Takes the place of the network, for tests.

    Raises:
        InvalidInput: The base URL is no such URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        connect_timeout: float,
        max_connections: int,
        transport: httpx.BaseTransport | None,
    ) -> None:
        url = _checked_url(base_url)
        authorization = _authorization(url)
        # Beside the URL, because we show that in errors and in logs.
        url = url.copy_with(username="", password="")
        self._gate = Gate(max_connections)
        self._lines = Lines(_line_maker(url), most=max_connections, keep=KEEPALIVE_SECONDS)
        self._wire = transport or self._lines
        self._client = httpx.Client(
            headers={**_HEADERS, **authorization},
            timeout=httpx.Timeout(timeout, connect=connect_timeout),
            transport=self._wire,
            trust_env=False,
        )
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._count_lock = threading.Lock()
        self._calls = 0
        self.base_url = str(url).rstrip("/")
        # Parsing a URL is a tenth of a request's cost, and sessions are called again and again.
        self._url = functools.lru_cache(maxsize=1024)(self._parsed_url)

    @property
    def calls(self) -> int:
        """How many requests were started so far, answered or not."""
        return self._calls

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return self._gate.under_way

    @property
    def limit(self) -> int:
        """How many connections may be used."""
        return self._gate.size

    @property
    def connections(self) -> int:
        """How many connections may be open, idle ones included."""
        return self._lines.count

    def resize(self, connections: int) -> None:
        """Use at most so many connections from now on; requests under way go on.

        Idle ones beyond that are closed, and so are those that were idle for too long.
        """
        self._gate.resize(connections)
        self._lines.shrink(connections)

    def close(self) -> None:
        """Close all connections; a request under way is lost. May be repeated."""
        self._client.close()

    def send(  # noqa: PLR0913 - what a request is made of
        self,
        method: str,
        route: str,
        *,
        name: str = "",
        query: str = "",
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request.

        Args:
            method: The HTTP method.
            route: The path below the base URL, with ``{id}`` where a name goes.
            name: The session id or pattern name, as the server made it, for such a route.
            query: The query with its question mark, or nothing.
            content: The JSON body, encoded.
            headers: What to say beside it.

        Returns:
            The answer, if its status is 2xx.

        Raises:
            InvalidInput: The name can be none of the server's; nothing was sent.
            KatoError: Everything else; its subclass says what is known of the outcome.
        """
        call = f"{method} {route}"
        path = route.replace("{id}", _segment(route, name)) if "{id}" in route else route
        with self._passing(call):
            try:
                url = self._url(path + query)
                request = self._client.build_request(method, url, content=content, headers=headers)
                # Past the client, whose redirects and cookies are not wanted here: they take a
                # quarter of a small call.
                response = self._wire.handle_request(request)
                logger.info("HTTP Request: %s %s %d", method, url, response.status_code)
                body = _read(response, self._timeout)
            except _HTTPX_ERRORS as error:
                raise error_of_exception(call, error) from error
        if response.is_success:
            return Answer(call=call, status=response.status_code, body=body)
        content_type = response.headers.get("content-type", "")
        raise error_of_status(call, response.status_code, content_type, body)

    @contextlib.contextmanager
    def _passing(self, call: str) -> Iterator[None]:
        if not self._gate.enter(self._connect_timeout):
            reason = f"this process may have {self._gate.size} connections, all in use for too long"
            raise NoFreeConnection(call, reason)
        try:
            if self._client.is_closed:
                raise KatoUnreachable(call, "this client has been closed")
            with self._count_lock:
                self._calls += 1
            yield
        finally:
            self._gate.leave()

    def _parsed_url(self, tail: str) -> httpx.URL:
        return httpx.URL(self.base_url + tail)


def _authorization(url: httpx.URL) -> dict[str, str]:
    if not url.userinfo:
        return {}
    pair = f"{url.username}:{url.password}".encode()
    return {"Authorization": f"Basic {b64encode(pair).decode()}"}


def _line_maker(url: httpx.URL) -> Callable[[], httpx.BaseTransport]:
    # Loading certificates takes longer than all the rest; plain HTTP has no use for them.
    context = httpx.create_ssl_context(verify=url.scheme == "https")
    limits = httpx.Limits(max_connections=1, keepalive_expiry=KEEPALIVE_SECONDS)
    return lambda: httpx.HTTPTransport(verify=context, limits=limits, trust_env=False)


def error_of_exception(call: str, error: Exception) -> KatoError:
    """Translate an exception of httpx into the one class that says what it proves."""
    known = (_PROOF[kind] for kind in type(error).__mro__ if kind in _PROOF)
    kind = next(known, AnswerLost)
    return kind(call, readable(f"{type(error).__name__}: {error}"))


def error_of_status(call: str, status: int, content_type: str, body: bytes) -> KatoError:
    """Translate an answer other than 2xx into the one class that says what it proves."""
    reason = describe(body)
    if status == httpx.codes.NOT_FOUND:
        return _not_found(call, body, reason)
    if status == httpx.codes.METHOD_NOT_ALLOWED:
        return RouteMissing(call, reason, status)
    if httpx.codes.MULTIPLE_CHOICES <= status < httpx.codes.INTERNAL_SERVER_ERROR:
        return CallRejected(call, reason, status)
    if status == httpx.codes.SERVICE_UNAVAILABLE and _is_limit(content_type, body):
        return KatoBusy(call, reason, status)
    # Also a 1xx, which is no final answer and so says nothing.
    return ServerFault(call, reason, status)


def _is_limit(content_type: str, body: bytes) -> bool:
    """Tell the HTTP server's own refusal from a 503 that something behind it made."""
    return content_type.startswith("text/plain") and body.strip() == b"Service Unavailable"


def _not_found(call: str, body: bytes, reason: str) -> KatoError:
    answer = _object(body)
    detail = answer.get("detail")
    error = answer.get("error")
    if detail == "Not Found":
        return RouteMissing(call, reason, 404)
    if isinstance(error, dict) and error.get("code") == "SESSION_NOT_FOUND":
        return SessionNotFound(call, reason, 404)
    if isinstance(detail, str) and detail.startswith("Session ") and " not found" in detail:
        return SessionNotFound(call, reason, 404)
    # Not KATO's words, perhaps a gateway's without a backend: it proves neither of the two.
    return ServerFault(call, reason, 404)


def describe(body: bytes) -> str:
    """Put an error body into words: the server's own, never the input that it echoes."""
    answer = _object(body)
    if not answer:
        # Cut before decoding: this may be a page of any size.
        return readable(body[: 4 * MAX_REASON].decode("utf-8", "replace")) or "no reason given"
    return readable(_words(answer.get("detail"), answer.get("error"))) or "no reason given"


def _words(detail: object, error: object) -> str:
    if isinstance(detail, str):
        return detail
    if isinstance(detail, list):
        return "; ".join(_problem(item) for item in detail if isinstance(item, dict))
    if isinstance(detail, dict) and isinstance(detail.get("validation_errors"), dict):
        return "; ".join(f"{key}: {value}" for key, value in detail["validation_errors"].items())
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def _problem(item: Mapping[str, Any]) -> str:
    place = item.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else "request"
    return f"{where}: {item.get('msg', 'invalid')}"


def readable(text: str) -> str:
    """Make a text fit for a log line: at most 300 characters, none of them a control one."""
    printable = "".join(char if char.isprintable() else " " for char in text[: 2 * MAX_REASON])
    stripped = printable.strip()
    return stripped if len(stripped) <= MAX_REASON else stripped[: MAX_REASON - 1] + "…"


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _read(response: httpx.Response, timeout: float) -> bytes:
    """Read the body within ``timeout`` seconds, and let go of the connection.

    After a 500 the server closes the connection without saying so, and the next request on it
    would die (kato-api 1). So after a 5xx the connection is not given back to the pool.
    """
    with contextlib.closing(response):
        announced = "close" in response.headers.get("connection", "").lower()
        if not response.is_server_error or announced or response.is_closed:
            return b"".join(_in_time(response.iter_bytes(), timeout))
        return _read_short_of_the_end(response, timeout)


def _in_time(pieces: Iterator[bytes], timeout: float) -> Iterator[bytes]:
    """Pass pieces on, unless they keep trickling in after ``timeout`` seconds."""
    until = time.monotonic() + timeout
    for piece in pieces:
        yield piece
        if time.monotonic() > until:
            raise httpx.ReadTimeout(f"the answer had no end after {timeout:g} s")


def _read_short_of_the_end(response: httpx.Response, timeout: float) -> bytes:
    """Read a body without learning that it has ended.

    A response that is closed before its end takes its connection with it. Closing the socket
    after the end would be too late: by then another thread may have been given the connection.
    Of a body of unknown length this returns the first piece, enough for a reason.
    """
    length = int(response.headers.get("content-length", "1"))
    body = b""
    pieces = _in_time(response.iter_raw(), timeout)
    while len(body) < length:
        piece = next(pieces, b"")
        if not piece:
            break
        body += piece
    return body


def _segment(route: str, name: str) -> str:
    # An empty or dotted name would change the path; what cannot be printed cannot be one.
    if not name.strip(".") or not name.isprintable():
        raise InvalidInput(
            subject="session_id" if route.startswith("/sessions/") else "pattern",
            problem=f"is {reprlib.repr(name)}",
            allowed="one that the server made",
        )
    return quote(name, safe="")


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise _no_server(problem=f"cannot be read ({error})") from error
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise _no_server(problem="is not the address of a server")
    return url


def _no_server(problem: str) -> InvalidInput:
    return InvalidInput("base_url", problem, "http:// or https://, a host, and no query")
