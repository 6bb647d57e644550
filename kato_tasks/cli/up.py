"""``kato-tasks up``: the whole stack on this machine."""

from __future__ import annotations

import math
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from kato_tasks.cli.arguments import instances_from, names_from
from kato_tasks.cli.output import console, errors, print_json, print_table
from kato_tasks.errors import InvalidInput
from kato_tasks.instrumentation import hide_password
from kato_tasks.local import LocalStack, Plan, make_plan, set_variables
from kato_tasks.settings import PREFIX, parse_instances
from kato_tasks.stack import Event, default_run_file, ping_store, read_run_file

_LOOK: Final = 0.1


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="Keep all data in this folder.")
@click.option("--kato", "urls", multiple=True, metavar="[NAME=]URL", help="A running KATO server.")
@click.option(
    "--instances", "names", metavar="NAME,...", help="Run one devserver for each of these names."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--flower/--no-flower", default=True, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON.")
def up(  # noqa: PLR0913 - what a person may choose
    *,
    data_dir: Path | None,
    urls: tuple[str, ...],
    names: str | None,
    workers: int,
    flower: bool,
    as_json: bool,
) -> None:
    """Run the whole stack until Ctrl-C: store, devserver, workers, beat, Flower.

    What dies is restarted. A store named in KATO_TASKS_REDIS_URL is used instead of an embedded
    one, and waited for; servers given with --kato or KATO_TASKS_INSTANCES instead of a devserver.
    --instances blue,green runs two devservers, as instances of these names.
    Other commands, in other terminals, find the stack and its settings by themselves.
    """
    run_file = default_run_file()
    running = read_run_file(run_file)
    if running is not None:
        raise InvalidInput(
            "up",
            f"runs already (pid {running.pid})",
            "one per user, or another KATO_TASKS_RUN_FILE",
        )
    variables = set_variables(os.environ)
    devservers = names_from(names)
    store = variables.get(f"{PREFIX}REDIS_URL")
    with _folder(data_dir) as folder, _stopping() as stop:
        plan = make_plan(
            folder,
            redis_url=store,
            instances=_instances(urls, devservers, variables),
            devservers=devservers,
            workers=workers,
            flower=flower,
            variables=variables,
            # Data that is to stay is safe from a power cut too; what is thrown away is not.
            appendfsync="always" if data_dir is not None else "everysec",
        )
        if store is not None and not ping_store(store):
            _say_that_we_wait(store)
        stack = LocalStack(plan, run_file=run_file, on_event=None if as_json else _print_event)
        with stack.running():
            _print_plan(plan, as_json=as_json)
            stop.interrupts = False
            stack.supervise(stop.wanted)


def _instances(
    urls: tuple[str, ...], devservers: tuple[str, ...], variables: Mapping[str, str]
) -> dict[str, str] | None:
    if urls and devservers:
        problem = "names devservers, and --kato names servers that run already"
        raise InvalidInput("--instances", problem, "one of both")
    if urls:
        return instances_from(urls)
    if devservers:
        # Said on this command line, it wins over what the environment says.
        return None
    text = variables.get(f"{PREFIX}INSTANCES")
    return parse_instances(text) if text else None


def _say_that_we_wait(store: str) -> None:
    sentence = f"The store at {hide_password(store)} does not answer yet; waiting for it."
    errors().print(sentence, style="yellow", markup=False, soft_wrap=True)


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is None:
        with tempfile.TemporaryDirectory(prefix="kato-tasks-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = "" if os.access(data_dir, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        raise InvalidInput(
            "--data-dir", f"{data_dir} cannot be used: {problem}", "a folder that you may write to"
        )
    yield data_dir.resolve()


class _Wish(threading.Event):
    """An event that a signal handler may set.

    It takes no lock: the handler runs in the thread that waits for the event, and would wait for
    itself if that one held the lock just then.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made = False

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self._made

    def set(self) -> None:
        """Set it."""
        self._made = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, and for at most ``timeout`` seconds; it is noticed in 0.1 s."""
        until = math.inf if timeout is None else time.monotonic() + timeout
        while not self._made and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK))
        return self._made


class _Stop:
    """What SIGTERM and Ctrl-C do: break off a start, then ask for a stop, then hurry it up."""

    def __init__(self) -> None:
        self.wanted = _Wish()
        self.interrupts = True

    def __call__(self, _number: int, _frame: object) -> None:
        again = self.wanted.is_set()
        self.wanted.set()
        if self.interrupts or again:
            raise KeyboardInterrupt


@contextmanager
def _stopping() -> Iterator[_Stop]:
    stop = _Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_event(event: Event) -> None:
    what = "" if event.kind == "starting" else f" {event.message}"
    console().print(f"{event.name} {event.kind}{what}", markup=False, soft_wrap=True)


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    # Terminals and logs are read by others; passwords are in the run file alone.
    addresses = {
        "store": hide_password(plan.settings.redis_url),
        **{f"kato {name}": hide_password(url) for name, url in plan.settings.instances.items()},
        "flower": plan.flower_url,
        "log": str(plan.log),
    }
    if as_json:
        print_json(addresses)
        return
    print_table("kato-tasks is up; Ctrl-C stops it", ("part", "address"), list(addresses.items()))
