"""``python -m scorecard``: how faithful the devserver is to the recorded exchanges."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from scorecard.scoring import Score, scores

_FOLDER = Path("kato-api", "transcripts")


def main(arguments: list[str] | None = None) -> int:
    """Print the scorecard; 0 only if nothing in scope differs, 2 if there is nothing to replay."""
    given = _parser().parse_args(arguments)
    if not given.transcripts.is_dir():
        sys.stderr.write(f"There are no transcripts in {given.transcripts}: name their folder.\n")
        return 2
    found = asyncio.run(scores(given.transcripts, given.scenario))
    if not found:
        sys.stderr.write(f"There is no scenario {given.scenario!r}.\n")
        return 2
    sys.stdout.write(_as_json(found) if given.json else _as_table(found))
    return int(any(score.different for score in found))


def default_folder() -> Path:
    """Where the transcripts lie unless told otherwise: beside the test data or the repository."""
    data = os.environ.get("KATO_TASKS_TEST_DATA")
    beside = Path(data).parent if data else Path(__file__).parents[2] / "shared"
    return beside / _FOLDER


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scorecard", description=__doc__)
    parser.add_argument("--transcripts", type=Path, default=default_folder(), metavar="DIR")
    parser.add_argument("--scenario", help="one transcript's name; all without")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser


def _as_json(found: list[Score]) -> str:
    shown = {
        score.scenario: {
            "in_scope": score.in_scope,
            "equal": score.equal,
            "different": score.different,
            "out_of_scope": score.excluded,
        }
        for score in found
    }
    return json.dumps(shown, indent=2) + "\n"


def _as_table(found: list[Score]) -> str:
    row = "{:32} {:>9} {:>9} {:>10} {:>13}\n"
    lines = [row.format("scenario", "in scope", "equal", "different", "out of scope")]
    lines += [
        row.format(s.scenario, s.in_scope, s.equal, len(s.different), len(s.excluded))
        for s in found
    ]
    total = [sum(map(len_, found)) for len_ in (_in, _equal, _different, _out)]
    lines.append(row.format("total", *total))
    for score in found:
        for name, places in score.different.items():
            lines += [f"\n{name}\n", *(f"    {place}\n" for place in places)]
    reasons = [f"{name}: {reason}\n" for s in found for name, reason in s.excluded.items()]
    return "".join([*lines, *(["\nout of scope\n", *reasons] if reasons else [])])


def _in(score: Score) -> int:
    return score.in_scope


def _equal(score: Score) -> int:
    return score.equal


def _different(score: Score) -> int:
    return len(score.different)


def _out(score: Score) -> int:
    return len(score.excluded)


if __name__ == "__main__":
    sys.exit(main())
