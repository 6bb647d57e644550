"""A store, a development server and some deliverers in this process, some of them sabotaged."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chaos_histories import fields

from kato_tasks.chaos.acceptances import Acceptance, Call
from kato_tasks.chaos.crowd import Member
from kato_tasks.chaos.expecting import expect
from kato_tasks.chaos.judging import Evidence, Finding, judge
from kato_tasks.chaos.reading import Found, Reader
from kato_tasks.delivery import Deliverer, LeaseKeeper
from kato_tasks.errors import SessionNotFound
from kato_tasks.keys import Keys, SessionKeys
from kato_tasks.lanes import Lanes
from kato_tasks.migration import Mover
from kato_tasks.models import Kind, SessionRecord, Turn
from kato_tasks.services import Services
from kato_tasks.settings import Settings
from kato_tasks.stack import ProcessSpec, free_port, wait_for_port
from kato_tasks.stack.child import Child
from kato_tasks.stack.output import LogFile
from kato_tasks.testing import RecordingWake, wait_until

MEMBER = Member(number=1, key="control", node="control")
_HOST = "127.0.0.1"


@contextmanager
def devserver(folder: Path, *arguments: str) -> Iterator[str]:
    """Run a development server; its URL."""
    log, port = LogFile(folder / "devserver.log"), free_port()
    command = [sys.executable, "-m", "kato_tasks.devserver", "--port", str(port), *arguments]
    child = Child(ProcessSpec(name="devserver", command=command), log)
    log.open()
    child.start()
    try:
        wait_until(lambda: wait_for_port(_HOST, port, timeout=0.2), timeout=30)
        yield f"http://{_HOST}:{port}"
    finally:
        child.kill()
        log.close()


class Site:
    """One session, a server, and what was accepted.

    Attributes:
        services: What a worker has.
        keys: The Redis keys of the session.
    """

    def __init__(self, settings: Settings, url: str) -> None:
        self.settings = settings
        self.url = url
        self.services = Services(settings, RecordingWake())
        self.keys: SessionKeys = Keys(prefix=settings.prefix, shards=settings.shards).session(
            MEMBER.key
        )
        self._keeper = LeaseKeeper(60.0)
        self._accepted: list[Acceptance] = []

    def close(self) -> None:
        self._keeper.close()
        self.services.close()

    def observe(self, count: int) -> None:
        """Have so many observations accepted, one command each."""
        session = self.services.sessions.session(MEMBER.key, node=MEMBER.node)
        for number in range(len(self._accepted) + 1, len(self._accepted) + count + 1):
            call = Call(
                key=MEMBER.key,
                command_id=str(number),
                kind=Kind.OBSERVE,
                observations=(fields(number),),
            )
            receipt = session.observe_many(call.observations, command_id=call.command_id)
            self._accepted.append(Acceptance(call=call, first=receipt.first, seq=receipt.seq))

    def mover(self, lanes: Lanes) -> Mover:
        """Return a mover over lanes of its own."""
        services = self.services
        return Mover(
            self.deliverer(lanes),
            moves=services.moves,
            registry=services.registry,
            keeper=self._keeper,
            wake=RecordingWake(),
        )

    def deliverer(self, lanes: Lanes) -> Deliverer:
        """Return a deliverer over lanes of its own."""
        return Deliverer(
            lanes=lanes,
            lives=self.services.lives,
            nodes=self.services.nodes,
            breakers=self.services.breakers,
            client=self.services.clients,
            keeper=self._keeper,
            settings=self.settings,
        )

    def deliver_all(self, deliverer: Deliverer | None = None) -> Turn:
        """Deliver as a worker does: again and again while there is more."""
        turn = Turn.MORE
        while turn is Turn.MORE:
            turn = (deliverer or self.services.deliverer).deliver(MEMBER.key)
        return turn

    @property
    def record(self) -> SessionRecord:
        record = self.services.registry.get(MEMBER.key)
        assert record is not None
        return record

    @property
    def session_id(self) -> str:
        session_id = self.record.session_id
        assert session_id is not None
        return session_id

    def applied(self) -> int:
        """Return how many observations the server has applied to the bound session."""
        with Reader(*self.settings.instances.values()) as reader:
            lineage = reader.lineage(MEMBER.key, self.session_id)
        return sum(one.kind == "observe" for one in lineage[-1].entries)

    def finding(self) -> Finding:
        """Return what the checker of the chaos run says of the session."""
        record = self.record
        expected = expect(MEMBER, self._accepted, refused=(), delivered=record.applied)
        with Reader(*self.settings.instances.values()) as reader:
            evidence = Evidence(
                lineage=reader.lineage(MEMBER.key, record.session_id),
                bound=record.session_id,
                found=_found(reader, record.session_id),
            )
        return judge(MEMBER, expected, self._accepted, evidence)


def _found(reader: Reader, session_id: str | None) -> Found:
    try:
        return Found() if session_id is None else reader.session(session_id)
    except SessionNotFound:
        return Found()


@contextmanager
def open_two(settings: Settings, folder: Path, **overrides: object) -> Iterator[Site]:
    """Run two servers, blue and green, for one session, with settings of its own."""
    with ExitStack() as stack:
        instances = {}
        for name in ("blue", "green"):
            (folder / name).mkdir()
            instances[name] = stack.enter_context(devserver(folder / name))
        changed = settings.model_copy(update={"instances": instances, **overrides})
        site = Site(changed, instances["blue"])
        stack.callback(site.close)
        yield site


@contextmanager
def open_site(
    settings: Settings, folder: Path, *arguments: str, **overrides: object
) -> Iterator[Site]:
    """Run a server for one session, with settings of its own."""
    with ExitStack() as stack:
        url = stack.enter_context(devserver(folder, *arguments))
        changed = settings.model_copy(update={"instances": {"default": url}, **overrides})
        site = Site(changed, url)
        stack.callback(site.close)
        yield site
