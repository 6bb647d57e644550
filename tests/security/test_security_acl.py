"""A user of the store with the rights of docs/security.md: enough for everything, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import redis
from security_processes import CELERY, CLI, QUICK, Running, Site, variables
from security_store import HOST, store

from kato_tasks import KatoTasks, Settings, StoreUnavailable
from kato_tasks.scripts import open_redis
from kato_tasks.stack import free_port
from kato_tasks.testing import wait_until
from kato_tasks.worker import make_app, names

pytestmark = pytest.mark.timeout(300)  # processes take long to start where others work too

PAGE: Final = Path(__file__).parents[2] / "docs" / "security.md"
PASSWORD: Final = "p@ss/w:rd?"  # noqa: S105 - of a store that lives for one test
ADMIN: Final = ("--user", "admin", "on", ">admin", "~*", "&*", "+@all")


def rules() -> list[str]:
    """The user's rights, as the page has them, without its name and password."""
    [block] = re.findall(r"```acl\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    user, _ = block.split("user default off")
    return str(user).removeprefix("user kato on >PASSWORD").split()


class Guarded:
    """A store with the users kato and admin, and nobody else."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://kato:{quote(PASSWORD, safe='')}@{HOST}:{port}/0"
        self.wrong = f"redis://kato:an0ther-one@{HOST}:{port}/0"
        self.admin: Any = open_redis(f"redis://admin:admin@{HOST}:{port}/0", timeout=5)

    def denied(self) -> set[str]:
        """What was refused so far."""
        log = self.admin.acl_log()
        return {f"{entry[b'reason']} {entry[b'object']}" for entry in log}

    def used(self) -> set[str]:
        """The commands that were called so far."""
        return {name.removeprefix("cmdstat_") for name in self.admin.info("commandstats")}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    kato = ("--user", "kato", "on", f">{PASSWORD}", *rules())
    with store(tmp_path, "--user", "default", "off", *ADMIN, *kato) as port:
        made = Guarded(port)
        yield made
        made.admin.close()


def test_producer_worker_beat_flower_and_commands_work_with_it(
    guarded: Guarded, server: str, site: Site
) -> None:
    """Nothing is refused, and nothing that is named is never used."""
    given = {
        "redis_url": guarded.url,
        "instances": {"default": server},
        "beat_sweep_interval": 1,
        **QUICK,
    }
    env, settings = variables(**given), Settings.load(**given)
    worker = site.worker(env)
    beat = site.start("beat", *CELERY, "beat", "--pidfile", "", "--loglevel", "INFO", env=env)
    flower = f"http://{HOST}:{free_port()}"
    site.start("flower", *CLI, "flower", f"--port={flower.rpartition(':')[2]}", env=env)
    produce(settings)
    send_tasks(settings)
    for command in (("list", "--tag", "t"), ("predict", "a"), ("delete", "a")):
        assert site.run(*CLI, "sessions", *command, env=env).code == 0
    assert "pong" in site.run(*CELERY, "inspect", "ping", env=env).out
    beat.says("Sending due task sweep")
    wait_until(lambda: "worker@test" in asked(f"{flower}/workers"), 90)
    give_back(settings, worker)

    assert guarded.denied() == set()
    named = {rule[1:] for rule in rules() if rule.startswith("+") and "@" not in rule}
    # Flower ends its subscription when it connects anew; two workers give back at the same time;
    # a lane is overdue.
    assert named - guarded.used() <= {"punsubscribe", "unwatch", "pttl"}


def produce(settings: Settings) -> None:
    with KatoTasks(settings) as kato:
        session = kato.session("a", predictions="always", tags=["t"])
        session.observe_many([{"strings": [name]} for name in "xyz"])
        assert session.learn().wait(60).pattern
        session.observe(["x"])
        assert len(session.predictions().predictions) == 1
        session.clear_stm().wait(60)


def send_tasks(settings: Settings) -> None:
    app = make_app(settings)
    for task in (names.CREATE_SESSION, names.LEARN, names.CLEAR_STM, names.PREDICT):
        assert app.send_task(task, args=["b"]).get(timeout=60)
    refusal = app.send_task(names.OBSERVE, args=["b", 5]).get(timeout=60, propagate=False)
    assert "observation is 5" in str(refusal)
    assert app.send_task(names.SWEEP, ignore_result=False).get(timeout=60) >= 0
    app.close()


def give_back(settings: Settings, worker: Running) -> None:
    """Have a worker return a message to its queue, as it does when it stops before it is due."""
    app = make_app(settings)
    sent = app.send_task(names.OBSERVE, args=["b", {}], countdown=600, ignore_result=True)
    worker.says(f"{sent.id}] received")
    assert worker.stop() == 0
    with open_redis(settings.redis_url, timeout=5) as client:
        assert client.llen("kato_tasks.bulk") == 1
    app.close()


def asked(url: str) -> str:
    try:
        return httpx.get(url, timeout=30).text
    except httpx.HTTPError:
        return ""


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "somebody-elses"),
        ("SET", "somebody-elses", "x"),
        ("EVAL", "return redis.call('GET', 'somebody-elses')", "0"),
        ("SUBSCRIBE", "somebody-elses"),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("FUNCTION", "LIST"),
        ("MONITOR",),
        ("SHUTDOWN",),
    ],
    ids=" ".join,
)
def test_it_may_do_nothing_else(guarded: Guarded, command: tuple[str, ...]) -> None:
    with open_redis(guarded.url, timeout=5) as client:
        assert client.ping()
        with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission|can't access"):
            client.execute_command(*command)


def test_a_wrong_password_is_a_sentence_that_does_not_repeat_it(
    guarded: Guarded, site: Site
) -> None:
    """A producer, a command and a worker are told why; the worker tries again."""
    with (
        KatoTasks(Settings.load(redis_url=guarded.wrong)) as kato,
        pytest.raises(StoreUnavailable, match=r"invalid username-password pair") as refused,
    ):
        kato.session("a").observe(["x"])
    done = site.run(*CLI, "sessions", "list", "--json", env=variables(redis_url=guarded.wrong))
    worker = site.start("worker", *CELERY, "worker", env=variables(redis_url=guarded.wrong))
    worker.says("Trying again in")
    assert (done.code, done.err.count("\n")) == (3, 1)
    said = [str(refused.value), repr(refused.value), done.both, worker.output]
    assert not any("an0ther" in text for text in said)
