"""Sessions that somebody else has made live on as ours, at servers of both dialects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from integration_site import DevServer, Processes, Site, environment, numbered

from kato_tasks.adoption import Fate, Named, Outcome, Report, make_request, read_names
from kato_tasks.cli.main import main
from kato_tasks.errors import InvalidInput, KatoUnreachable
from kato_tasks.lives import Index
from kato_tasks.models import PredictionMode, SessionState
from kato_tasks.stack import free_port
from kato_tasks.testing import wait_until

MakeSite = Callable[..., Site]
GONE = "it never was, or has expired."


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """A program that uses a server by itself, and the site that its sessions come to."""

    dialect: str
    site: Site
    http: httpx.Client

    def make(self, node: str, **body: object) -> str:
        answer = self.http.post("/sessions", json={"node_id": node, **body})
        return str(answer.raise_for_status().json()["session_id"])

    def observe(self, session_id: str, *strings: str, **more: object) -> None:
        body = {"strings": list(strings), **more}
        self.http.post(f"/sessions/{session_id}/observe", json=body).raise_for_status()

    def learn(self, session_id: str) -> None:
        self.http.post(f"/sessions/{session_id}/learn").raise_for_status()

    def stm(self, session_id: str) -> Any:  # noqa: ANN401 - JSON
        shown = self.http.get(f"/sessions/{session_id}/stm").raise_for_status().json()
        return shown["events"] if self.dialect == "guide" else shown["stm"]

    def time(self, session_id: str) -> int | None:
        """Return KATO's time; None where the server does not show it."""
        if self.dialect == "guide":
            return None
        found = self.http.get(f"/sessions/{session_id}/cognition-data").json()
        return int(found["cognition_data"]["time"])

    def adopt(self, *names: str | Named, **options: Any) -> Report:  # noqa: ANN401
        named = [one if isinstance(one, Named) else Named(key=one, session_id=one) for one in names]
        request = make_request(self.site.settings, named, **options)
        return self.site.kato.services.adopter.adopt(request, lambda *_: None)

    def adopted(self, session_id: str, **options: Any) -> Outcome:  # noqa: ANN401
        """Adopt one session, and expect that it can be."""
        [outcome] = self.adopt(session_id, **options).outcomes
        assert outcome.fate is Fate.ADOPTED, outcome.reason
        return outcome

    def deliver(self, key: str) -> None:
        while self.site.record(key).waiting:
            self.site.kato.services.deliverer.deliver(key)

    def lose(self, key: str) -> None:
        """Have the server lose a session, and a worker notice it by its next command."""
        self.site.kato.services.clients("default").delete_session(self.site.session_id(key))

    @property
    def anomalies(self) -> int:
        return self.site.kato.services.registry.stats().counts.get("anomalies", 0)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DevServer]]:
    """A development server of each dialect."""
    started = Processes(tmp_path_factory.mktemp("theirs"))
    with ExitStack() as stack:
        stack.callback(started.close)
        yield {name: started.devserver("--dialect", name) for name in ("v3", "guide")}


def _open(dialect: str, servers: dict[str, DevServer], make_site: MakeSite) -> Iterator[Theirs]:
    server = servers[dialect]
    with httpx.Client(base_url=server.url, timeout=30) as http:
        yield Theirs(dialect=dialect, site=make_site(server=server), http=http)


@pytest.fixture(params=["v3", "guide"])
def theirs(
    request: pytest.FixtureRequest, servers: dict[str, DevServer], make_site: MakeSite
) -> Iterator[Theirs]:
    yield from _open(request.param, servers, make_site)


@pytest.fixture
def v3(servers: dict[str, DevServer], make_site: MakeSite) -> Iterator[Theirs]:
    yield from _open("v3", servers, make_site)


@pytest.fixture
def guide(servers: dict[str, DevServer], make_site: MakeSite) -> Iterator[Theirs]:
    yield from _open("guide", servers, make_site)


def test_a_session_lives_on_as_it_is_and_is_made_anew_if_it_is_lost(
    theirs: Theirs, key: str
) -> None:
    """Adopted, observed, lost by its server: memory and time are what they were to be."""
    name = theirs.make(key, config={"process_predictions": False})
    for number in range(3):
        theirs.observe(name, f"b{number}", f"a{number}")
    before = theirs.stm(name)
    outcome = theirs.adopted(name, tags=["old"])
    assert (outcome.events, outcome.older, outcome.node) == (3, 0, key)
    assert theirs.stm(name) == before
    record = theirs.site.record(name)
    assert (record.session_id, record.state) == (name, SessionState.ACTIVE)
    assert (record.spec.node, record.spec.tags) == (key, ("old",))
    theirs.site.kato.session(name, node=key).observe(["ours"])
    theirs.deliver(name)
    assert theirs.site.session_id(name) == name
    now, time = theirs.stm(name), theirs.time(name)
    assert len(now) == 4
    assert now[:3] == before
    theirs.lose(name)
    theirs.site.kato.session(name, node=key).observe(["afterwards"])
    theirs.deliver(name)
    other = theirs.site.session_id(name)
    assert other != name
    assert theirs.stm(other)[:4] == now
    assert theirs.time(other) == (None if time is None else time + 1)
    assert theirs.anomalies == 0


def test_a_session_that_has_learned_goes_on_where_it_was(theirs: Theirs, key: str) -> None:
    """Its time is more than its memory: there were older observations."""
    name = theirs.make(key, config={"process_predictions": False, "recall_threshold": 0.4})
    for number in range(4):
        theirs.observe(name, f"old{number}")
    theirs.learn(name)
    theirs.observe(name, "x")
    theirs.observe(name, "y")
    outcome = theirs.adopted(name)
    assert outcome.older == (4 if theirs.dialect == "v3" else 0)
    assert theirs.site.record(name).spec.config == {"recall_threshold": 0.4}
    session = theirs.site.kato.session(name, node=key)
    session.observe(["z"])
    theirs.deliver(name)
    assert theirs.site.session_id(name) == name
    assert theirs.site.record(name).time == 7
    time = theirs.time(name)
    theirs.lose(name)
    session.observe(["w"])
    theirs.deliver(name)
    other = theirs.site.session_id(name)
    strings = [one if isinstance(one, list) else one["strings"] for one in theirs.stm(other)]
    assert strings == [["x"], ["y"], ["z"], ["w"]]
    assert theirs.time(other) == (None if time is None else time + 1)
    assert theirs.anomalies == 0
    session.clear_stm()
    for number in range(4):
        session.observe([f"old{number}"])
    assert session.learn().seq == 8
    theirs.deliver(name)
    assert theirs.anomalies == 0


@pytest.mark.parametrize("dialect", ["v3", "guide"])
def test_an_adopted_session_sleeps_and_wakes_as_it_was(
    dialect: str, servers: dict[str, DevServer], make_site: MakeSite, key: str
) -> None:
    server = servers[dialect]
    with httpx.Client(base_url=server.url) as http:
        sleepy = make_site(server=server, idle_after=0.05, cleanup_interval=0.2)
        theirs = Theirs(dialect=dialect, site=sleepy, http=http)
        name = theirs.make(key, config={"process_predictions": False})
        for number in range(3):
            theirs.observe(name, f"s{number}")
        theirs.learn(name)
        theirs.observe(name, "x")
        before, time = theirs.stm(name), theirs.time(name)
        theirs.adopted(name)
        services = sleepy.kato.services

        def is_put_to_sleep() -> bool:
            for keys in services.find_due(Index.IDLE):
                services.look_after(Index.IDLE, keys)
            return sleepy.record(name).asleep

        wait_until(is_put_to_sleep, timeout=10)
        services.lives.suspect(name, None, "it is asked for")
        services.deliverer.deliver(name)
        other = sleepy.session_id(name)
        assert other != name
        assert (theirs.stm(other), theirs.time(other)) == (before, time)
        assert theirs.anomalies == 0


def test_the_emotives_that_a_server_shows_are_kept(guide: Theirs, key: str) -> None:
    """The guide's dialect shows what was observed."""
    name = guide.make(key, config={"process_predictions": False})
    guide.observe(name, "a", emotives={"joy": 0.5}, metadata={"page": "1"})
    guide.observe(name, vectors=[[1.0, 2.0]])
    before = guide.stm(name)
    guide.adopted(name)
    guide.lose(name)
    guide.site.kato.session(name, node=key).observe(["b"])
    guide.deliver(name)
    assert guide.stm(guide.site.session_id(name))[:2] == before


def test_symbols_of_vectors_stay_as_they_are_named(v3: Theirs, key: str) -> None:
    name = v3.make(key, config={"process_predictions": False})
    v3.observe(name, "a", vectors=[[1.0, 2.0]])
    before = v3.stm(name)
    report = v3.adopt(name)
    assert report.outcomes[0].vectors
    assert any("symbols of vectors" in remark for remark in report.remarks())
    v3.lose(name)
    v3.site.kato.session(name, node=key).observe(["b"])
    v3.deliver(name)
    assert v3.stm(v3.site.session_id(name))[:1] == before


def test_an_event_that_no_strings_give_again_is_refused(v3: Theirs, key: str) -> None:
    """A vector's symbol comes before all strings, and the server sorts strings (kato-api 4)."""
    name = v3.make(key, config={"process_predictions": False})
    v3.observe(name, "10", vectors=[[1.0, 2.0]])
    [outcome] = v3.adopt(name).outcomes
    assert outcome.fate is Fate.FAILED
    assert "no observation gives again" in str(outcome.reason)
    assert v3.site.kato.find(name) is None


def test_predictions_at_every_observe_stay(theirs: Theirs, key: str) -> None:
    """It is the server's default, so a session that says nothing has it."""
    name = theirs.make(key)
    theirs.adopted(name)
    spec = theirs.site.record(name).spec
    assert (spec.predictions, dict(spec.config)) == (PredictionMode.ALWAYS, {})
    theirs.site.kato.session(name, node=key).observe(["x"])
    theirs.deliver(name)
    assert theirs.site.session_id(name) == name


def test_how_it_learns_by_itself_and_how_long_it_lives_are_its_own(
    theirs: Theirs, key: str
) -> None:
    ttl = {"ttl" if theirs.dialect == "guide" else "ttl_seconds": 900}
    config = {"process_predictions": False, "max_pattern_length": 3}
    name = theirs.make(key, config=config, **ttl)
    theirs.observe(name, "a")
    theirs.adopted(name)
    record = theirs.site.record(name)
    assert (record.spec.ttl, record.life.lifetime) == (900, 900)
    assert dict(record.spec.config) == {"max_pattern_length": 3}
    session = theirs.site.kato.session(name, node=key)
    session.observe_many([{"strings": ["b"]}, {"strings": ["c"]}, {"strings": ["d"]}])
    theirs.deliver(name)
    assert len(theirs.stm(theirs.site.session_id(name))) == 1
    assert theirs.anomalies == 0
    other = theirs.make(key)
    theirs.adopted(other)
    assert theirs.site.record(other).spec.ttl is None
    assert theirs.site.record(other).life.lifetime == 3600


def test_a_session_that_ends_by_itself_ends_when_it_was_to_end(guide: Theirs, key: str) -> None:
    name = guide.make(key, ttl=500, config={"session_auto_extend": False})
    guide.adopted(name)
    record = guide.site.record(name)
    assert (record.spec.auto_extend, record.spec.ttl) == (False, 500)
    assert record.life.ends_ms is not None
    assert 490_000 < record.life.ends_ms - record.life.used_ms <= 500_000


def test_a_server_that_counts_no_writes_has_it_extended_in_time(
    make_site: MakeSite, processes: Processes, key: str
) -> None:
    """What of its time is over, is over: it is not taken for a new one."""
    server = processes.devserver("--no-auto-extend")
    with httpx.Client(base_url=server.url) as http:
        theirs = Theirs(dialect="v3", site=make_site(server=server), http=http)
        name = theirs.make(key, ttl_seconds=60, config={"process_predictions": False})
        wait_until(lambda: http.get(f"/sessions/{name}").json()["ttl_seconds"] < 59)
        theirs.adopted(name)
        life = theirs.site.record(name).life
        assert life.lifetime == 60
        assert 1_000 < life.used_ms - life.fresh_ms < 30_000


def test_what_cannot_become_ours_is_said_and_the_others_do(theirs: Theirs, key: str) -> None:
    site = theirs.site
    good = [theirs.make(key, config={"process_predictions": False}) for _ in range(2)]
    site.kato.session("used").observe(["x"])
    site.kato.session("mine", node=key).observe(["x"])
    theirs.deliver("mine")
    mine = site.session_id("mine")
    report = theirs.adopt(
        *(good[0], "session-nowhere", mine),
        *(Named(key="used", session_id=good[1]), "..", Named(key="k" * 600, session_id="x")),
    )
    assert [one.fate for one in report.outcomes] == [Fate.ADOPTED, *[Fate.FAILED] * 5]
    reasons = [str(one.reason) for one in report.outcomes[1:]]
    for reason, words in zip(
        reasons,
        ("is not at default", "ours already", "names a session already", "session_id", "bytes"),
        strict=True,
    ):
        assert words in reason
    assert site.record("mine").session_id == mine
    again = theirs.adopt(good[0], Named(key="free", session_id=good[1]))
    assert [one.fate for one in again.outcomes] == [Fate.FAILED, Fate.ADOPTED]
    assert site.session_id("free") == good[1]


def test_what_is_left_of_a_session_that_was_made_anew_is_refused(v3: Theirs, key: str) -> None:
    """A late request may still reach it."""
    v3.site.kato.session("a", node=key).observe(["x"])
    v3.deliver("a")
    orphan = v3.make(key, metadata={"kato_tasks_key": "a"})
    [outcome] = v3.adopt(orphan).outcomes
    assert outcome.fate is Fate.FAILED
    assert "was made for the key 'a'" in str(outcome.reason)
    stranger = v3.make(key, metadata={"kato_tasks_key": "nobody knows"})
    v3.adopted(stranger)


def test_those_of_another_node_are_refused(theirs: Theirs, key: str) -> None:
    ours, other = theirs.make(key), theirs.make(f"{key}-other")
    report = theirs.adopt(ours, other, node=key)
    assert [one.fate for one in report.outcomes] == [Fate.ADOPTED, Fate.FAILED]
    assert f"has the node '{key}-other'" in str(report.outcomes[1].reason)


def test_all_that_a_server_lists_become_ours(guide: Theirs, key: str) -> None:
    """But those that are ours already, or of another node: they are left, and nothing failed."""
    names = {guide.make(key) for _ in range(3)}
    other = guide.make(f"{key}-other")
    guide.site.kato.session("mine", node=key).observe(["x"])
    guide.deliver("mine")
    report = guide.adopt(every=True, node=key)
    fates = {one.session_id: one.fate for one in report.outcomes}
    assert {name for name, fate in fates.items() if fate is Fate.ADOPTED} == names
    assert fates[guide.site.session_id("mine")] is fates[other] is Fate.LEFT
    assert not report.failed
    assert guide.site.kato.find(guide.site.session_id("mine")) is None


def test_a_server_that_lists_none_says_so(v3: Theirs) -> None:
    with pytest.raises(InvalidInput, match="cannot be listed: it speaks the dialect 'v3'"):
        v3.adopt(every=True)


def test_a_config_that_no_create_takes_is_said(v3: Theirs, key: str) -> None:
    """An update accepts values that make a create drop everything (kato-api 3)."""
    name = v3.make(key)
    body = {"config": {"jaccard_threshold": 7}}
    v3.http.post(f"/sessions/{name}/config", json=body).raise_for_status()
    [outcome] = v3.adopt(name).outcomes
    assert outcome.fate is Fate.FAILED
    assert "config.jaccard_threshold is 7" in str(outcome.reason)


def test_nothing_is_left_behind_at_the_server(theirs: Theirs, key: str) -> None:
    client = theirs.site.kato.services.clients("default")
    name = theirs.make(key)
    theirs.adopted(name)
    sessions = theirs.http.get("/_dev/sessions?limit=100000").json()["sessions"]
    made = [one["session_id"] for one in sessions if one["node_id"] == key]
    assert [one for one in made if client.exists(one)] == [name]


def test_the_command_says_what_became_of_each(
    theirs: Theirs, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(theirs.site.settings).items():
        monkeypatch.setenv(name, value)
    quiet: dict[str, Any] = {"config": {"process_predictions": False}}
    one, two, three = (theirs.make(key, **quiet) for _ in range(3))
    file = tmp_path / "names"
    file.write_text(f"\nfirst,{one}\nno, such\n")
    done = CliRunner().invoke(main, ["sessions", "adopt", two, "--file", str(file), "--json"])
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert (found["instance"], found["adopted"], found["failed"]) == ("default", 2, 1)
    assert [(said["key"], said["session_id"], said["status"]) for said in found["sessions"]] == [
        (two, two, "adopted"),
        ("first", one, "adopted"),
        ("no", "such", "failed"),
    ]
    assert found["sessions"][2]["error"] == "Session 'such' is not at default: " + GONE
    told = CliRunner().invoke(main, ["sessions", "adopt", three, "--tag", "old"])
    assert told.exit_code == 0, told.output
    assert "1 session adopted from default." in told.stdout
    assert "nobody else may write to them" in told.stdout
    again = CliRunner().invoke(main, ["sessions", "adopt", three])
    assert (again.exit_code, "is ours already" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "sessions are not named"),
        (("a", "--all"), "sessions are named and all are asked for"),
        (("a", "a"), "'a' is named twice"),
        (("a", "--instance", "nowhere"), "'nowhere' is not configured"),
        (("--file", "/nowhere/at/all"), "cannot be read (No such file or directory)"),
        (("--file", "."), "cannot be read (Is a directory)"),
        (("a", "--tag", ""), "tags"),
    ],
)
def test_what_makes_no_sense_starts_nothing(
    arguments: tuple[str, ...], sentence: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(site.settings).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["sessions", "adopt", *arguments])
    assert (done.exit_code, sentence in done.output) == (2, True), done.output


def test_a_server_that_is_away_is_said_at_once(make_site: MakeSite) -> None:
    site = make_site(instances={"default": f"http://127.0.0.1:{free_port()}"})
    request = make_request(site.settings, [Named(key="a", session_id="a")])
    with pytest.raises(KatoUnreachable):
        site.kato.services.adopter.adopt(request, lambda *_: None)


def test_a_thousand_from_a_file(v3: Theirs, key: str, tmp_path: Path) -> None:
    names = [v3.make(key, config={"process_predictions": False}) for _ in range(1000)]
    v3.observe(names[-1], "last")
    file = tmp_path / "names.tsv"
    file.write_text("".join(f"{key}-{n}\t{name}\n" for n, name in enumerate(names)))
    with file.open("rb") as lines:
        found = read_names(lines, str(file))
    before = v3.site.kato.services.clients("default").calls
    told: list[tuple[int, int]] = []
    request = make_request(v3.site.settings, found)
    report = v3.site.kato.services.adopter.adopt(
        request, lambda _, done, total: told.append((done, total))
    )
    assert report.count(Fate.ADOPTED) == 1000
    assert [one.session_id for one in report.outcomes] == names
    assert told[-1] == (1000, 1000)
    assert v3.site.session_id(f"{key}-999") == names[-1]
    # Two reads each; the blank session of the server's own is made, read and deleted once.
    assert v3.site.kato.services.clients("default").calls - before <= 2 * 1000 + 5
    v3.site.kato.session(f"{key}-999", node=key).observe_many(numbered(2))
    v3.deliver(f"{key}-999")
    assert v3.stm(names[-1]) == [["last"], ["0"], ["1"]]
