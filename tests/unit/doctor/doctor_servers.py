"""Servers for the doctor to look at, without a network."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from itertools import count

import httpx

from kato_tasks.doctor import Context, Finding, Report, Severity, examine
from kato_tasks.kato import GUIDE, V3, KatoClient
from kato_tasks.models import Append, SessionSpec
from kato_tasks.settings import Settings
from kato_tasks.testing import (
    MemoryDeadLetters,
    MemoryLanes,
    MemoryPlacement,
    MemoryRegistry,
    MemoryStore,
)

_NUMBERS = count(1)
_SESSION = re.compile(r"/sessions/(?P<id>[^/]+)/?(?P<tail>.*)")


class Server:
    """A KATO server as far as the doctor looks at it; change its attributes to make it ill.

    Attributes:
        version: What it says it runs.
        used: Nodes in use.
        loses: Every how many-th observation is answered and lost; 0 for none.
        broken: Paths that answer 500.
        sessions: Observations by session id; give two servers one dict, and they share a store.
        lines: What was asked, in order.
        created: The bodies of the creates.
    """

    def __init__(self, *, guide: bool = False) -> None:
        self.version = "3.10.1"
        self.used = 7
        self.loses = 0
        self.broken: set[str] = set()
        self.away = False
        self.sessions: dict[str, list[str]] = {}
        self.lines: list[str] = []
        self.created: list[dict[str, object]] = []
        self._dialect = GUIDE if guide else V3
        self._lock = threading.Lock()
        self._observed = 0

    def client(self, name: str) -> KatoClient:
        return KatoClient(f"http://{name}.test", transport=httpx.MockTransport(self._locked))

    @property
    def written(self) -> list[str]:
        return [line for line in self.lines if not line.startswith("GET ")]

    def _locked(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.lines.append(f"{request.method} {path}")
        if self.away:
            message = "refused"
            raise httpx.ConnectError(message, request=request)
        if path in self.broken:
            return httpx.Response(500, text="Internal Server Error")
        found = _SESSION.fullmatch(path)
        if found:
            return self._on_session(request, found["id"], found["tail"])
        body = self._on_server(request, path)
        return httpx.Response(404, json={"detail": "Not Found"}) if body is None else body

    def _on_server(self, request: httpx.Request, path: str) -> httpx.Response | None:
        if path == "/sessions" and request.method == "POST":
            return self._create(request)
        processors = {"total_processors": self.used, "max_processors": 100}
        bodies: dict[str, object] = {
            "/": {"service": "KATO API"},
            "/status": {"processors": processors},
            "/openapi.json": {"info": {"version": self.version}, "paths": self._paths()},
        }
        body = bodies.get(path)
        return None if body is None else httpx.Response(200, json=body)

    def _paths(self) -> dict[str, dict[str, object]]:
        paths: dict[str, dict[str, object]] = {}
        for method, path in self._dialect.routes.values():
            paths.setdefault(path.replace("{id}", "{session_id}"), {})[method.lower()] = {}
        return paths

    def _create(self, request: httpx.Request) -> httpx.Response:
        session_id = f"session-{next(_NUMBERS)}"
        self.sessions[session_id] = []
        asked = json.loads(request.content)
        self.created.append(asked)
        config = asked.get("config", {})
        moment = "2026-11-22T07:00:25Z"
        body = {
            "session_id": session_id,
            "node_id": asked["node_id"],
            "created_at": moment,
            "expires_at": moment,
            "ttl_seconds": asked.get("ttl_seconds", 3600),
            "session_config": config,
            "config": config,
        }
        return httpx.Response(200, json=body)

    def _on_session(self, request: httpx.Request, session_id: str, tail: str) -> httpx.Response:
        there = session_id in self.sessions
        if tail == "exists":
            return httpx.Response(200, json={"exists": there})
        if not there:
            return httpx.Response(404, json={"detail": f"Session {session_id} not found"})
        if request.method == "DELETE":
            del self.sessions[session_id]
            return httpx.Response(200, json={})
        if tail == "observe":
            return self._observe(request, self.sessions[session_id])
        stm = [[symbol] for symbol in self.sessions[session_id]]
        events = [{"strings": event} for event in stm]
        body = {"stm": stm, "events": events, "session_id": session_id, "node_id": "n"}
        return httpx.Response(200, json={**body, "config": {}})

    def _observe(self, request: httpx.Request, session: list[str]) -> httpx.Response:
        self._observed += 1
        if not self.loses or self._observed % self.loses:
            session += json.loads(request.content)["strings"]
        return httpx.Response(200, json={"time": len(session), "stm_length": len(session)})


class Surgery:
    """A deployment of servers and a registry, and the doctor's visits to it."""

    def __init__(self, **servers: Server) -> None:
        self.servers = servers
        self.settings = Settings.load(instances={name: f"http://{name}.test" for name in servers})
        self.store = MemoryStore()
        self.placement = MemoryPlacement(self.store, self.settings)
        self._lanes = MemoryLanes(self.store, self.settings)

    def register(self, instance: str, nodes: Sequence[str]) -> None:
        """Register one session per node."""
        for node in nodes:
            spec = SessionSpec(node=node, instance=instance)
            self._lanes.append([Append(key=f"{instance}/{node}", spec=spec)])

    def visit(self, *, probed: bool = False) -> Report:
        context = Context(
            settings=self.settings,
            registry=MemoryRegistry(self.store, self.settings),
            letters=MemoryDeadLetters(self.store),
            placement=self.placement,
            client=lambda name: self.servers[name].client(name),
        )
        return examine(context, probed=probed)


def said(report: Report, words: str) -> Finding:
    """Return the one finding whose sentence has these words."""
    found = [finding for finding in report.findings if words in finding.sentence]
    assert len(found) == 1, [finding.sentence for finding in report.findings]
    return found[0]


def wrong(report: Report) -> list[str]:
    """Return the sentences of the warnings and errors."""
    bad = (Severity.WARNING, Severity.ERROR)
    return [one.sentence for one in report.findings if one.severity in bad]
