"""Replays the runs and keeps what came of each exchange."""

from dataclasses import dataclass, field
from pathlib import Path

from scorecard import crowd, scope
from scorecard.bodies import compare
from scorecard.comparing import Binding
from scorecard.moments import micros, moments
from scorecard.playing import Answer, Server
from scorecard.recordings import Exchange, load
from scorecard.runs import RUNS, Run


@dataclass(slots=True)
class Score:
    """What came of one transcript.

    Attributes:
        equal: Exchanges in scope whose answers were equal.
        different: Exchanges in scope that were not, with the differences.
        excluded: Exchanges out of scope, with the reason.
    """

    scenario: str
    equal: int = 0
    different: dict[str, list[str]] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)

    @property
    def in_scope(self) -> int:
        """How many exchanges were compared."""
        return self.equal + len(self.different)

    def note(self, exchange: Exchange, answer: Answer, binding: Binding, folder: Path) -> None:
        """Compare one answer and count what came of it."""
        reason = scope.reason(exchange)
        if reason is not None:
            self.excluded[exchange.name] = reason
        elif found := list(compare(exchange, answer, binding, folder)):
            self.different[exchange.name] = found
        else:
            self.equal += 1


async def scores(directory: Path, only: str | None = None) -> list[Score]:
    """Replay every transcript of a directory, or one (and what ran before it on its server)."""
    found = []
    for run in RUNS:
        if only is None or only in run.scenarios:
            play = _play_crowd if run.crowded else _play
            found += await play(run, directory)
    return [score for score in found if only in (None, score.scenario)]


async def _play_crowd(run: Run, directory: Path) -> list[Score]:
    [name] = run.scenarios
    exchanges, binding, score = load(directory / f"{name}.json"), Binding(), Score(name)
    limit = run.options.limit_concurrency
    for exchange, answer in zip(exchanges, crowd.play(exchanges, limit, binding), strict=True):
        score.note(exchange, answer, binding, directory)
    return [score]


async def _play(run: Run, directory: Path) -> list[Score]:
    exchanges: list[tuple[Exchange, int]] = []
    for name in run.scenarios:
        recorded = load(directory / f"{name}.json")
        times = moments(recorded, auto_extend=run.options.auto_extend)
        exchanges += zip(recorded, times, strict=True)
    server = Server(run.options, run.started_at(exchanges[0][1]))
    for node_id, created, observed in run.before:
        await server.use(node_id, micros(created), micros(observed))
    binding = Binding()
    found = {name: Score(name) for name in run.scenarios}
    for exchange, now in exchanges:
        server.now = now
        if (armed := run.faults.get((exchange.scenario, exchange.place))) is not None:
            await server.arm(armed)
        if not exchange.arrived:
            found[exchange.scenario].excluded[exchange.name] = scope.NOT_ARRIVED
            continue
        answer = await server.send(
            exchange, binding.ours(exchange.path), binding.ours(exchange.content.decode()).encode()
        )
        found[exchange.scenario].note(exchange, answer, binding, directory)
    return list(found.values())
