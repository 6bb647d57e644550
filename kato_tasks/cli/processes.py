"""The processes of a stack, one by one: devserver, worker, beat, flower."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NoReturn

import click

from kato_tasks.cli.output import print_json
from kato_tasks.devserver.__main__ import main as serve_devserver
from kato_tasks.errors import InvalidInput
from kato_tasks.instrumentation import hide_password
from kato_tasks.local import use_running_stack
from kato_tasks.settings import Settings
from kato_tasks.worker.celery_app import queue_name
from kato_tasks.worker.names import Queue

_PASS_ON: Final = {"ignore_unknown_options": True}
_AUTH: Final = ("auth", "basic_auth")
"""What makes Flower ask who is there; without ``auth`` the OAuth options do nothing."""
_SECRET: Final = ("auth", "secret", "password", "key")
_HIDDEN: Final = "***"
_JSON: Final = click.option(
    "--json", "as_json", is_flag=True, help="First print as one JSON object what is run."
)


@click.command(context_settings=_PASS_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def devserver(arguments: tuple[str, ...]) -> None:
    """Run a look-alike of the KATO server, for development and tests."""
    raise SystemExit(serve_devserver(arguments, prog="kato-tasks devserver"))


@click.command(context_settings=_PASS_ON)
@_JSON
@click.argument("celery", nargs=-1, type=click.UNPROCESSED)
def worker(*, as_json: bool, celery: tuple[str, ...]) -> None:
    """Run a Celery worker; further arguments go to Celery. Waits for the store if it is away."""
    own = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
    _celery("worker", *own, *celery, as_json=as_json)


@click.command(context_settings=_PASS_ON)
@_JSON
@click.argument("celery", nargs=-1, type=click.UNPROCESSED)
def beat(*, as_json: bool, celery: tuple[str, ...]) -> None:
    """Run Celery beat; further arguments go to Celery."""
    _celery("beat", "--loglevel", "INFO", *celery, as_json=as_json)


@click.command(context_settings=_PASS_ON)
@click.option("--address", default="127.0.0.1", show_default=True, envvar="FLOWER_ADDRESS")
@click.option("--port", default=5555, show_default=True, envvar="FLOWER_PORT")
@_JSON
@click.argument("celery", nargs=-1, type=click.UNPROCESSED)
def flower(*, address: str, port: int, as_json: bool, celery: tuple[str, ...]) -> None:
    """Run Flower; further arguments go to Flower. Beyond loopback it needs authentication."""
    given = _flower_options(celery)
    address = given.get("address", address)
    if not _is_loopback(address) and not _has_authentication(given):
        raise InvalidInput(
            "address",
            f"is {address}, where everybody could read and stop your tasks",
            "a loopback address, or one with --basic-auth=USER:PASSWORD or FLOWER_BASIC_AUTH",
        )
    _celery("flower", f"--address={address}", f"--port={port}", *celery, as_json=as_json)


def _celery(*arguments: str, as_json: bool) -> NoReturn:
    """Become Celery: signals and exit code are its own."""
    use_running_stack()
    settings = Settings.load()
    command = [sys.executable, "-m", "celery", "-A", "kato_tasks.worker", *arguments]
    if as_json:
        print_json(about_to_run(command, settings))
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter


def about_to_run(command: Sequence[str], settings: Settings) -> dict[str, object]:
    """Return what is run and what it connects to, without passwords, as one JSON object."""
    return {
        "command": [command[0], *(_shown(*both) for both in pairwise(command))],
        "queues": [queue_name(settings, queue) for queue in Queue],
        "store": hide_password(settings.redis_url),
        "broker": hide_password(settings.broker),
        "instances": {name: hide_password(url) for name, url in settings.instances.items()},
    }


def _shown(before: str, argument: str) -> str:
    """Return an argument without the secrets it may hold, knowing the one before it."""
    if not argument.startswith("-"):
        return _HIDDEN if _is_secret(before) else _without_password(argument)
    option, separator, value = argument.partition("=")
    return option + separator + (_HIDDEN if _is_secret(option) and value else _shown("", value))


def _is_secret(option: str) -> bool:
    return option.startswith("-") and any(word in option for word in _SECRET)


def _without_password(text: str) -> str:
    return hide_password(text) if "://" in text else text


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _flower_options(arguments: Sequence[str]) -> dict[str, str]:
    """Return what Flower will read, by its names; of several values the last one counts."""
    options: dict[str, str] = {}
    for argument in arguments:
        if not argument.startswith("-"):
            # Flower reads nothing after such a word, not even a password that stands there.
            raise InvalidInput("argument", f"{argument!r} is no option", "--name=value of Flower")
        name, _, value = argument.lstrip("-").partition("=")
        options[name.replace("-", "_")] = value
    return options


def _has_authentication(given: Mapping[str, str]) -> bool:
    return any(given.get(name, os.environ.get(f"FLOWER_{name.upper()}")) for name in _AUTH)
