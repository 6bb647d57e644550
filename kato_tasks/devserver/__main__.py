"""``python -m kato_tasks.devserver``: a development server on the command line."""

import argparse
import sys
from pathlib import Path

from kato_tasks.devserver.options import Options
from kato_tasks.devserver.serve import serve
from kato_tasks.devserver.store import StateInUseError


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped; the exit code."""
    given = _parser().parse_args(arguments)
    options = Options(
        auto_extend=not given.no_auto_extend,
        session_ttl=given.session_ttl,
        cost_ms=given.cost_ms,
        cost_per_observation_ms=given.cost_per_observation_ms,
        audit=not given.no_audit,
        state=given.state,
    )

    def ready(port: int) -> None:
        host = f"[{given.host}]" if ":" in given.host else given.host
        sys.stdout.write(f"devserver ready on http://{host}:{port}\n")
        sys.stdout.flush()

    try:
        serve(options, given.host, given.port, ready)
    except (ValueError, StateInUseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m kato_tasks.devserver",
        description="A look-alike of the KATO 3.10.1 server for development and tests.",
    )
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free port")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--state", type=Path, help="directory that outlives the process")
    parser.add_argument("--cost-ms", type=float, default=0.0, help="cost of a session request")
    parser.add_argument("--cost-per-observation-ms", type=float, default=0.0)
    parser.add_argument("--no-auto-extend", action="store_true", help="the other TTL regime")
    parser.add_argument("--session-ttl", type=int, default=3600, help="seconds, if none asked")
    parser.add_argument("--no-audit", action="store_true", help="count applied calls only")
    return parser


if __name__ == "__main__":
    sys.exit(main())
