"""The processes of a stack, one by one: devserver, worker, beat, flower."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import Final, NoReturn

import click

from kato_tasks.cli.output import print_json
from kato_tasks.devserver import Options, StateInUseError, serve
from kato_tasks.errors import InvalidInput
from kato_tasks.local import find_settings

_PASS_ON: Final = {"ignore_unknown_options": True}
_AUTH: Final = ("auth", "basic_auth", "oauth2_key")


@click.command()
@click.option("--port", default=8000, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--state", type=click.Path(path_type=Path), help="Folder that outlives it.")
@click.option("--cost-ms", default=0.0, help="What a session call costs (the real one: 7).")
@click.option("--cost-per-observation-ms", default=0.0, help="(the real one: 0.7)")
@click.option("--session-ttl", default=3600, show_default=True, help="Seconds, if none is asked.")
@click.option("--no-auto-extend", is_flag=True, help="Writes do not move a session's deadline.")
@click.option("--no-audit", is_flag=True, help="Do not keep what was applied; saves memory.")
@click.option(
    "--allow-remote", is_flag=True, help="Listen beyond loopback; it has no access control."
)
@click.option("--json", "as_json", is_flag=True, help="Say that it is ready as JSON.")
def devserver(  # noqa: PLR0913 - the server's options
    *,
    port: int,
    host: str,
    state: Path | None,
    cost_ms: float,
    cost_per_observation_ms: float,
    session_ttl: int,
    no_auto_extend: bool,
    no_audit: bool,
    allow_remote: bool,
    as_json: bool,
) -> None:
    """Run a look-alike of the KATO server, for development and tests."""
    options = Options(
        auto_extend=not no_auto_extend,
        session_ttl=session_ttl,
        cost_ms=cost_ms,
        cost_per_observation_ms=cost_per_observation_ms,
        audit=not no_audit,
        state=state,
        allow_remote=allow_remote,
    )

    def ready(bound: int) -> None:
        url = f"http://{host}:{bound}"
        print_json({"url": url}) if as_json else click.echo(f"devserver ready on {url}")

    try:
        serve(options, host, port, ready)
    except (ValueError, StateInUseError) as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise click.UsageError(message) from None


@click.command(context_settings=_PASS_ON)
@click.argument("celery", nargs=-1, type=click.UNPROCESSED)
def worker(celery: tuple[str, ...]) -> None:
    """Run a Celery worker; further arguments go to Celery. Waits for the store if it is away."""
    _celery("worker", "--without-gossip", "--without-mingle", "--loglevel", "INFO", *celery)


@click.command(context_settings=_PASS_ON)
@click.argument("celery", nargs=-1, type=click.UNPROCESSED)
def beat(celery: tuple[str, ...]) -> None:
    """Run Celery beat; further arguments go to Celery."""
    _celery("beat", "--loglevel", "INFO", *celery)


@click.command(context_settings=_PASS_ON)
@click.option("--address", default="127.0.0.1", show_default=True)
@click.option("--port", default=5555, show_default=True)
@click.argument("celery", nargs=-1, type=click.UNPROCESSED)
def flower(address: str, port: int, celery: tuple[str, ...]) -> None:
    """Run Flower; further arguments go to Flower. Beyond loopback it needs authentication."""
    if not _is_loopback(address) and not _has_authentication(celery):
        raise InvalidInput(
            "address",
            f"is {address}, where everybody could read and stop your tasks",
            "a loopback address, or one with --basic-auth=USER:PASSWORD or FLOWER_BASIC_AUTH",
        )
    _celery("flower", f"--address={address}", f"--port={port}", *celery)


def _celery(*arguments: str) -> NoReturn:
    """Become Celery: signals and exit code are its own."""
    find_settings()
    command = [sys.executable, "-m", "celery", "-A", "kato_tasks.worker", *arguments]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _has_authentication(arguments: tuple[str, ...]) -> bool:
    given = {part.lstrip("-").partition("=")[0].replace("-", "_") for part in arguments}
    return any(name in given or os.environ.get(f"FLOWER_{name.upper()}") for name in _AUTH)
