"""A whole site with a password in every place that takes one, and its failures, one by one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, Self
from urllib.parse import quote

import httpx
from security_processes import CELERY, CLI, QUICK, Running, Site, variables
from security_store import HOST, store

from kato_tasks.settings import PREFIX
from kato_tasks.stack import free_port

SECRETS: Final = {
    "store": "st0re-Hunter2/x?:",
    "broker": "br0ker-Hunter2/x?:",
    "kato": "kat0-Hunter2/x?:",
    "flower": "fl0wer-Hunter2",
    "ledger": "l3dger-Hunter2/x?:",
}
PRODUCER: Final = """
import logging, traceback
logging.basicConfig(level=logging.DEBUG)
from kato_tasks import KatoTasks
from kato_tasks.worker import app
with KatoTasks() as kato:
    print(kato, vars(kato))
    for attempt in (
        lambda: kato.session("p").observe(["x"]).wait(1),
        lambda: kato.session("p").predictions(timeout=1),
        lambda: app.send_task("kato_tasks.observe", args=["p", {}], ignore_result=True),
    ):
        try:
            print(attempt())
        except Exception:
            traceback.print_exc()
"""
LOOKS: Final = {
    "list": (*CLI, "sessions", "list", "--json"),
    "show": (*CLI, "sessions", "show", "p", "--json"),
    "create": (*CLI, "sessions", "create", "q", "--timeout", "1", "--json"),
    "predict": (*CLI, "sessions", "predict", "p", "--timeout", "1", "--json"),
    "report": (*CELERY, "report"),
    "conf": (*CELERY, "inspect", "conf", "--json"),
    "stats": (*CELERY, "inspect", "stats"),
    "doctor": (*CLI, "doctor", "--json"),
    "migrations": (*CLI, "migrate", "status", "--json"),
    "revisions": (*CLI, "db", "current", "--json"),
    "producer": (sys.executable, "-c", PRODUCER),
}
PAGES: Final = ("/workers", "/api/workers?refresh=1", "/broker", "/tasks")


class Exposure:
    """A site, and everything that it has said, by who said it and when. Its block ends its stores.

    Args:
        site: Starts its processes.
    """

    def __init__(self, site: Site) -> None:
        self.said: dict[str, str] = {}
        self._site = site
        self._running: dict[str, Running] = {}
        self._ports = {name: free_port() for name in ("store", "broker", "flower")}
        self._stores = ExitStack()
        self.devserver = site.devserver()
        self.env = self._variables()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_stores()

    @property
    def output(self) -> Mapping[str, str]:
        """Everything, as it is now."""
        running = {name: running.output for name, running in self._running.items()}
        log = self._site.folder / "data" / "kato-tasks.log"
        return {**self.said, **running, "log of up": log.read_text()}

    def start(self) -> None:
        """Start stores, a stack, and further processes that say all they can."""
        self.open_stores(SECRETS)
        up = ("up", "--no-flower", "--data-dir", str(self._site.folder / "data"))
        self._run("up", *up, until="Ctrl-C stops it")
        loud = ("--json", "--loglevel=DEBUG")
        self._run("worker", "worker", *loud, "--hostname=w@test", until="w@test ready")
        self._run("beat", "beat", *loud, "--pidfile=", until="beat: Starting")
        self._run("flower", "flower", *loud, f"--port={self._ports['flower']}", until="Visit me")

    def look(self, when: str, *names: str) -> None:
        """Run some commands of ``LOOKS``, and see Flower's pages."""
        for name in names:
            self.said[f"{name}, {when}"] = self._site.run(*LOOKS[name], env=self.env).both
        for page in PAGES:
            self.said[f"{page}, {when}"] = self._page(page)

    def until(self, name: str, text: str) -> None:
        """Wait until a process has said something."""
        self._running[name].says(text)

    def open_stores(self, passwords: Mapping[str, str]) -> None:
        """Run the stores with these passwords."""
        for name in ("store", "broker"):
            folder = self._site.folder / name
            folder.mkdir(exist_ok=True)
            password = ("--requirepass", passwords[name])
            self._stores.enter_context(store(folder, *password, port=self._ports[name]))

    def close_stores(self) -> None:
        """End the stores."""
        self._stores.close()

    def _run(self, name: str, *arguments: str, until: str) -> None:
        self._running[name] = self._site.start(name, *CLI, *arguments, env=self.env)
        self._running[name].says(until)

    def _page(self, page: str) -> str:
        url = f"http://{HOST}:{self._ports['flower']}{page}"
        return httpx.get(url, auth=("me", SECRETS["flower"]), timeout=60).text

    def _variables(self) -> dict[str, str]:
        quoted = {name: quote(secret, safe="") for name, secret in SECRETS.items()}
        urls = {
            name: f"redis://:{quoted[name]}@{HOST}:{self._ports[name]}/0"
            for name in ("store", "broker")
        }
        kato = self.devserver.url.replace("://", f"://me:{quoted['kato']}@")
        named = variables(
            redis_url=urls["store"],
            broker_url=urls["broker"],
            instances={"default": kato},
            # Nobody listens there: its errors quote what they were given.
            database_url=f"postgresql://me:{quoted['ledger']}@{HOST}:{free_port()}/team",
            store_timeout=2,
            **QUICK,
        )
        run_file = str(self._site.folder / "run.json")
        return {
            **named,
            "FLOWER_BASIC_AUTH": f"me:{SECRETS['flower']}",
            f"{PREFIX}RUN_FILE": run_file,
        }
