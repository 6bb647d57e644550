"""Sessions move between two servers, by the workers, while they are in use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from integration_site import DevServer, Processes, Site, environment, numbered

from kato_tasks import InvalidInput, SessionMigrator, SessionNotMoved, Settings
from kato_tasks.adoption import Fate, Named, make_request
from kato_tasks.cli import main
from kato_tasks.errors import InstanceCordoned, SessionsMigrating, UnknownMigration, UnknownSession
from kato_tasks.ledger import ItemState, MigrationState
from kato_tasks.migration import Migrations, Request, Standing, drain, watch
from kato_tasks.models import Claim
from kato_tasks.sessions import Wanted
from kato_tasks.stack import free_port
from kato_tasks.testing import wait_until

EVENTS = 20


class Two:
    """A site on two servers, blue and green."""

    def __init__(self, site: Site, blue: DevServer, green: DevServer) -> None:
        self.site = site
        self.servers = {"blue": blue, "green": green}

    @property
    def migrations(self) -> Migrations:
        return self.site.kato.services.migrations

    def fill(self, name: str, sessions: int, *, nodes: int = 5, events: int = EVENTS) -> list[str]:
        """Make sessions on blue, and deliver all that they have."""
        keys = [f"{name}-{number}" for number in range(sessions)]
        made = [
            self.site.kato.session(key, node=f"{name}-n{number % nodes}", instance="blue")
            for number, key in enumerate(keys)
        ]
        receipts = [one.observe_many(numbered(events)) for one in made]
        for receipt in receipts:
            receipt.wait(timeout=60)
        return keys

    def request(self, **options: Any) -> Request:  # noqa: ANN401 - of a request
        return Request(**{"source": "blue", "target": "green", **options})

    def start(self, **options: Any) -> str:  # noqa: ANN401 - of a request
        return self.migrations.start(self.migrations.plan(self.request(**options))).id

    def end(self, migration: str) -> Standing:
        return watch(self.migrations, migration, lambda _step, _done, _total: None)

    def park(self, key: str) -> None:
        lanes = self.site.kato.services.lanes
        claimed = lanes.claim(key, most=1, idle=True)
        assert isinstance(claimed, Claim)
        lanes.park(claimed.lease, "for this test")

    def instance(self, key: str) -> str:
        return self.site.record(key).spec.instance

    def symbols(self, key: str) -> list[str]:
        """Return what a session remembers, by the server that it is bound at."""
        server = self.servers[self.instance(key)]
        return [event[0] for event in server.stm(self.site.session_id(key))]


@pytest.fixture(scope="module")
def servers(shared_processes: Processes) -> Iterator[tuple[DevServer, DevServer]]:
    both = shared_processes.devserver(), shared_processes.devserver()
    yield both
    for one in both:
        one.close()


@pytest.fixture
def two(
    make_site: Any,  # noqa: ANN401 - of the conftest
    servers: tuple[DevServer, DevServer],
    tmp_path: Path,
) -> Two:
    blue, green = servers
    site = make_site(
        workers=1,
        server=blue,
        instances={"blue": blue.url, "green": green.url},
        database_url=f"sqlite:///{tmp_path}/ledger.db",
    )
    return Two(site, blue, green)


def test_all_sessions_move_while_they_are_in_use(two: Two, key: str) -> None:
    keys = two.fill(key, 40)
    migration = two.start()
    more = 0
    while not two.migrations.standing(migration).over:
        more += 1
        for one in keys[:10]:
            two.site.kato.session(one).observe([f"more-{more}"])
    last = [two.site.kato.session(one).observe(["last"]) for one in keys]
    for receipt in last:
        receipt.wait(timeout=60)
    standing = two.end(migration)
    assert standing.migration.state is MigrationState.DONE
    assert (standing.tally.moved, standing.tally.failed) == (40, 0)
    assert {two.instance(one) for one in keys} == {"green"}
    for number, one in enumerate(keys):
        added = [f"more-{count}" for count in range(1, more + 1)] if number < 10 else []
        assert two.symbols(one)[EVENTS:] == [*added, "last"]
        assert len(two.symbols(one)) == EVENTS + len(added) + 1
    assert two.servers["blue"].get("/sessions/count")["active_session_count"] == 0
    results = two.migrations.results(migration)
    assert {result["status"] for result in results.values()} == {"success"}
    assert results[keys[0]]["new_id"]


def test_a_migration_is_cancelled_resumed_and_rolled_back(two: Two, key: str) -> None:
    keys = two.fill(key, 30, events=3)
    migration = two.start(rate=20.0)
    wait_until(lambda: two.migrations.standing(migration).tally.moved > 0, timeout=30)
    assert two.migrations.cancel(migration)
    assert not two.migrations.cancel(migration)
    wait_until(lambda: two.migrations.standing(migration).over, timeout=5)
    tally = two.migrations.standing(migration).tally
    assert 0 < tally.moved < 30
    assert tally.moved + tally.cancelled == 30
    with pytest.raises(InvalidInput, match="was cancelled: resume it first"):
        two.migrations.rollback(migration)
    assert two.migrations.resume(migration)
    assert two.end(migration).tally.moved == 30
    assert not two.migrations.resume(migration)
    two.site.kato.session(keys[0]).observe(["since"]).wait(timeout=30)
    before = two.site.session_id(keys[0])
    back = two.migrations.rollback(migration)
    assert two.end(back.id).tally.moved == 30
    assert {two.instance(one) for one in keys} == {"blue"}
    assert two.symbols(keys[0])[-1] == "since"
    assert two.site.session_id(keys[0]) != before
    with pytest.raises(InvalidInput, match=f"is rolled back by {back.id}"):
        two.migrations.rollback(migration)


def test_it_goes_on_after_its_worker_died(two: Two, key: str) -> None:
    keys = two.fill(key, 30, events=3)
    migration = two.start(rate=10.0)
    wait_until(lambda: two.migrations.standing(migration).tally.moved > 0, timeout=30)
    two.site.workers[0].child.kill()
    two.site.start_worker()
    assert two.end(migration).tally.moved == 30
    assert {two.instance(one) for one in keys} == {"green"}
    assert all(len(two.symbols(one)) == 3 for one in keys)


def test_too_many_failures_stop_it(two: Two, key: str) -> None:
    keys = two.fill(key, 45, events=1)
    services = two.site.kato.services
    for one in keys:
        two.park(one)
    migration = two.start()
    standing = two.end(migration)
    assert standing.migration.state is MigrationState.STOPPED
    assert "sessions failed, more than 10%" in standing.migration.reason
    [failed, *_] = services.ledger.items(migration, states=[ItemState.FAILED])
    assert "it is parked" in failed.error
    for one in keys:
        services.unpark(one)
    assert two.migrations.resume(migration)
    assert two.end(migration).tally.moved == 45


def test_the_source_is_kept_for_a_while(two: Two, key: str) -> None:
    [only] = two.fill(key, 1, events=2)
    before = two.site.session_id(only)
    two.end(two.start(keep_for=1.5))
    assert two.servers["blue"].stm(before)
    services = two.site.kato.services
    [kept] = services.ledger.kept(due=False, limit=10)
    assert kept.before == before
    client = services.clients("blue")
    wait_until(lambda: not client.exists(before), timeout=20)
    wait_until(lambda: not services.ledger.kept(due=False, limit=10), timeout=10)


def test_what_cannot_be_is_refused_in_words_and_nothing_begins(two: Two, key: str) -> None:
    keys = two.fill(key, 6, nodes=2, events=1)
    plan, ask = two.migrations.plan, two.request
    for request, words in (
        (ask(target="red"), "'red' is not configured"),
        (ask(source="red"), "'red' is not configured"),
        (ask(target="blue"), "the target is the source"),
        (ask(wanted=Wanted(prefix="nobody")), "matches no session on 'blue'"),
        (ask(keys=("nobody",)), "session 'nobody' is not known"),
        (ask(keys=(keys[0],)), "--accept-empty-node"),
        (ask(parallel=0), "parallel is 0"),
        (ask(rate=0.0), "limit_rate is 0"),
    ):
        with pytest.raises(InvalidInput, match=words):
            plan(request)
    assert two.site.kato.services.ledger.recent(limit=5) == []
    with pytest.raises(UnknownMigration):
        two.migrations.standing("m-nothing")
    running = two.start(rate=0.5)
    with pytest.raises(SessionsMigrating, match=running):
        two.start()
    two.migrations.cancel(running)


def test_a_target_that_is_away_or_speaks_otherwise_is_refused(
    make_site: Any,  # noqa: ANN401 - of the conftest
    servers: tuple[DevServer, DevServer],
    processes: Processes,
    key: str,
) -> None:
    blue, green = servers
    other = processes.devserver("--dialect", "guide")
    away = f"http://127.0.0.1:{free_port()}"
    instances = {"blue": blue.url, "green": green.url, "other": other.url, "away": away}
    two = Two(make_site(workers=1, server=blue, instances=instances), blue, green)
    two.fill(key, 1, events=1)
    with pytest.raises(InvalidInput, match="the target 'away' does not answer"):
        two.migrations.plan(two.request(target="away"))
    with pytest.raises(InvalidInput, match="speaks the dialect guide, and the source v3"):
        two.migrations.plan(two.request(target="other"))
    assert two.site.kato.services.ledger.recent(limit=5) == []
    other.close()


def test_a_target_has_no_more_nodes_than_it_may(
    two: Two, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.fill(key, 4, nodes=4, events=1)
    settings = two.site.settings.model_copy(update={"instance_nodes": 3})
    monkeypatch.setattr(two.migrations.planner, "_settings", settings)
    with pytest.raises(InvalidInput, match="would have 4 nodes; allowed: up to 3"):
        two.migrations.plan(two.request())


def test_a_node_moves_as_a_whole(two: Two, key: str) -> None:
    keys = two.fill(key, 6, nodes=2, events=1)
    two.end(two.start(wanted=Wanted(node=f"{key}-n1")))
    assert [two.instance(one) for one in keys] == ["blue", "green"] * 3


def test_an_adopted_session_moves_without_what_nobody_can_read(two: Two, key: str) -> None:
    """Its server shows emotives of a time before it was ours, which no copy can have."""
    services = two.site.kato.services
    blue = services.clients("blue")
    name = blue.create_session(node_id=key, config={"process_predictions": False}).session_id
    blue.observe(name, b'{"strings": ["a"], "emotives": {"joy": 0.5}, "metadata": {"page": "1"}}')
    request = make_request(two.site.settings, [Named(key=name, session_id=name)], instance="blue")
    [outcome] = services.adopter.adopt(request, lambda *_: None).outcomes
    assert outcome.fate is Fate.ADOPTED
    two.site.kato.session(name).observe(["b"], emotives={"joy": 1.0}).wait(timeout=30)
    assert two.end(two.start()).tally.moved == 1
    assert two.symbols(name) == ["a", "b"]
    assert (
        two.end(two.migrations.rollback(services.ledger.recent(limit=1)[0].id).id).tally.moved == 1
    )
    assert services.registry.stats().counts.get("anomalies", 0) == 0


def test_an_instance_is_drained_and_takes_no_new_session(two: Two, key: str) -> None:
    keys = two.fill(key, 12, nodes=4, events=2)
    kato = two.site.kato
    services = kato.services
    request = Request(source="blue")
    assert two.migrations.plan(request).targets == {"green": 12}
    drained = drain(
        two.migrations,
        services.placement,
        kato.settings,
        request,
        lambda _step, _done, _total: None,
    )
    assert (drained.moved, drained.left) == (12, 0)
    assert {two.instance(one) for one in keys} == {"green"}
    with pytest.raises(InstanceCordoned, match="takes no new session"):
        kato.session(f"{key}-new", instance="blue").observe(["x"])
    kato.session(f"{key}-new", node=f"{key}-n1").observe(["x"])
    assert two.instance(f"{key}-new") == "green"
    services.placement.uncordon("blue")
    kato.session(f"{key}-other", node=f"{key}-n1").observe(["x"]).wait(timeout=30)
    assert two.instance(f"{key}-other") == "green"


@contextmanager
def _variables(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        for name, value in environment(settings).items():
            patched.setenv(name, value)
        yield


def test_the_guides_migrator_moves_one_and_all(
    two: Two, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = two.fill(key, 5, events=2)
    blue, green = (two.servers[name].url for name in ("blue", "green"))
    with _variables(two.site.settings, monkeypatch), SessionMigrator(blue, green) as migrator:
        new_id = migrator.migrate_session(keys[0])
        assert two.site.session_id(keys[0]) == new_id
        assert two.instance(keys[0]) == "green"
        with pytest.raises(InvalidInput, match="is on 'green'"):
            migrator.migrate_session(keys[0])
        with pytest.raises(UnknownSession):
            migrator.migrate_session("nobody")
        two.park(keys[1])
        with pytest.raises(SessionNotMoved, match="it is parked"):
            migrator.migrate_session(keys[1])
        two.site.kato.services.unpark(keys[1])
        results = migrator.migrate_all_sessions()
        assert {one: result["status"] for one, result in results.items()} == dict.fromkeys(
            keys[1:], "success"
        )
        assert migrator.migrate_all_sessions() == {}
        with pytest.raises(InvalidInput, match="is the source's"):
            SessionMigrator(blue, blue)


def test_tasks_move_one_session_and_all(two: Two, key: str) -> None:
    keys = two.fill(key, 4, nodes=4, events=2)
    send, ledger = two.site.app.send_task, two.site.kato.services.ledger
    send("kato_tasks.migrate_session", args=(keys[0], "green"), ignore_result=True)
    wait_until(lambda: two.instance(keys[0]) == "green", timeout=30)
    arguments = {"source": "blue", "target": "green"}
    send("kato_tasks.migrate_all", kwargs=arguments, ignore_result=True)
    wait_until(lambda: len(ledger.recent(limit=5)) == 2, timeout=30)
    [latest, _] = ledger.recent(limit=5)
    assert two.end(latest.id).tally.moved == 3


def test_the_command_plans_moves_shows_and_undoes(
    two: Two, key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = two.fill(key, 4, nodes=2, events=2)

    def run(*arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
        with _variables(two.site.settings, monkeypatch):
            monkeypatch.setattr("sys.argv", ["kato-tasks", *arguments, "--json"])
            result = CliRunner().invoke(main, [*arguments, "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    both = ("--from", "blue", "--to", "green")
    plan = run("migrate", *both, "--dry-run")
    assert (plan["sessions"], plan["nodes"], plan["shared_store"]) == (4, 2, False)
    assert "predictions will miss" in plan["remarks"][0]
    assert run("migrate", "status") == []
    ids = tmp_path / "ids"
    assert "cannot be read" in run("migrate", *both, "--file", str(ids), code=2)["error"]
    ids.write_text("\n".join(keys))
    moved = run("migrate", *both, "--file", str(ids))
    assert (moved["state"], moved["moved"], moved["failed"]) == ("done", 4, 0)
    assert moved["calls_per_session"] > 0
    name = moved["migration"]
    assert [one["migration"] for one in run("migrate", "status")] == [name]
    assert run("migrate", "status", name)["moved"] == 4
    assert len(run("migrate", "status", name, "--items")) == 4
    assert run("migrate", "status", name, "--failed") == []
    back = run("migrate", "rollback", name)
    assert (back["rolls_back"], back["moved"]) == (name, 4)
    assert f"migration {name}" in run("migrate", "resume", name, code=2)["error"]
    assert "is not known" in run("migrate", "cancel", "m-none", code=2)["error"]
    assert not run("migrate", "cancel", name)["cancelled"]
