"""``python -m kato_tasks.devserver``: a development server on the command line."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kato_tasks.devserver.faults import KNOWN
from kato_tasks.devserver.options import DIALECTS, Options
from kato_tasks.devserver.serve import serve
from kato_tasks.devserver.store import StateInUseError

_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Serve until stopped.

    Args:
        arguments: What stands on the command line; ``sys.argv`` if None.
        prog: What the help calls the command.

    Returns:
        The exit code: 0 stopped; 2 a value makes no sense, or the address or the state directory
        is not to be had.
    """
    given = _parser(prog).parse_args(arguments)

    def ready(port: int) -> None:
        host = f"[{given.host}]" if ":" in given.host else given.host
        url = f"http://{host}:{port}"
        sys.stdout.write(json.dumps({"url": url}) if given.json else f"devserver ready on {url}")
        sys.stdout.write("\n")
        sys.stdout.flush()

    try:
        serve(_options(given), given.host, given.port, ready)
    except (ValueError, StateInUseError) as error:
        return _fail(str(error))
    except OSError as error:
        reason = error.strerror or str(error)
        return _fail(f"cannot listen on {given.host}:{given.port}: {reason}")
    return 0


def _fail(sentence: str) -> int:
    sys.stderr.write(f"Error: {sentence}\n")
    return _BAD_INPUT


def _options(given: argparse.Namespace) -> Options:
    return Options(
        auto_extend=not given.no_auto_extend,
        session_ttl=given.session_ttl,
        cost_ms=given.cost_ms,
        cost_per_observation_ms=given.cost_per_observation_ms,
        audit=not given.no_audit,
        state=given.state,
        allow_remote=given.allow_remote,
        faults=tuple(given.fault),
        fault_seed=given.fault_seed,
        workers=given.workers,
        interleave_ms=given.interleave_ms,
        wedge=not given.no_wedge,
        leak=not given.no_leak,
        dialect=given.dialect,
    )


def _parser(prog: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog or "python -m kato_tasks.devserver",
        description="A look-alike of the KATO 3.10.1 server for development and tests.",
    )
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument(
        "--allow-remote", action="store_true", help="any address; there is no access control"
    )
    parser.add_argument("--json", action="store_true", help="say as JSON that it is ready")
    parser.add_argument("--state", type=Path, help="directory that outlives the process")
    parser.add_argument("--cost-ms", type=float, default=0.0, help="cost of a session request")
    parser.add_argument("--cost-per-observation-ms", type=float, default=0.0)
    parser.add_argument("--no-auto-extend", action="store_true", help="the other TTL regime")
    parser.add_argument("--session-ttl", type=int, default=3600, help="seconds, if none asked")
    parser.add_argument("--no-audit", action="store_true", help="count applied calls only")
    parser.add_argument("--dialect", choices=DIALECTS, default="v3", help="whose routes it has")
    _add_trouble(parser)
    return parser


def _add_trouble(parser: argparse.ArgumentParser) -> None:
    """Add what makes the server misbehave."""
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:RATE|:COUNT][,PARAMETER=VALUE]...",
        help=f"a fault that is armed from the start, one of {', '.join(KNOWN)}; repeatable",
    )
    parser.add_argument("--fault-seed", type=int, default=0, help="makes rates repeatable")
    parser.add_argument("--workers", type=int, default=1, help="processes it behaves like")
    parser.add_argument(
        "--interleave-ms", type=float, default=1.0, help="in which concurrent writes get lost"
    )
    parser.add_argument("--no-wedge", action="store_true", help="predicting observes never wedge")
    parser.add_argument("--no-leak", action="store_true", help="predictions leak no events")


if __name__ == "__main__":
    sys.exit(main())
