"""The server behind HTTP against a small model of the session rules (kato-api 2 and 4).

The model knows no HTTP and none of the server's code. It is told what is done and says what a
session answers; time passes in tenths of a second, so that every edge of a lifetime is met.
"""

from dataclasses import dataclass, field
from typing import Any

from devserver_api import Api, Clock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from kato_tasks.devserver.options import Options

TENTH = 0.1
KEPT = 1000
strings = st.lists(st.sampled_from(["a", "b", "10", "é", "B"]), max_size=3)
emotives = st.dictionaries(
    st.sampled_from(["joy", "fear"]), st.sampled_from([0.5, -1.0, 2.0]), max_size=2
)
observations = st.fixed_dictionaries({"strings": strings, "emotives": emotives})


@dataclass
class Model:
    """What one session must be like.

    Attributes:
        ttl: Its life, in tenths of a second.
        end: Its stored end.
        kept: When the store drops it by itself.
    """

    ttl: int
    end: int
    kept: int
    extends: bool
    stm: list[list[str]] = field(default_factory=list)
    time: int = 0
    felt: list[dict[str, float]] = field(default_factory=list)
    gone: bool = False

    def lives(self, now: int) -> bool:
        return not self.gone and now < min(self.end, self.kept)

    def look(self, now: int) -> None:
        """Any call to it but ``exists``: with auto-extend the store keeps it a whole ttl more."""
        if self.extends:
            self.kept = now + self.ttl

    def save(self, now: int) -> None:
        """A write: the life that is left counts in whole seconds, the begun one not."""
        del self.stm[:-KEPT]
        left = self.ttl if self.extends else self.end - now
        seconds = (left - 1) // 10
        if self.extends:
            self.end = now + self.ttl
        self.kept = now + seconds * 10
        self.gone = seconds <= 0

    def observe(self, observation: dict[str, Any]) -> None:
        self.time += 1
        if observation["emotives"]:
            self.felt.append(observation["emotives"])
        if observation["strings"]:
            self.stm.append(sorted(observation["strings"]))

    def clear(self) -> None:
        self.stm, self.felt, self.time = [], [], 0

    def mean(self) -> dict[str, float]:
        names = {name for entry in self.felt for name in entry}
        values = {name: [entry[name] for entry in self.felt if name in entry] for name in names}
        return {name: sum(found) / len(found) for name, found in values.items()}


class Sessions(RuleBasedStateMachine):
    """Does the same to the server and to the model, and compares every answer."""

    paths = Bundle("paths")

    @initialize(extends=st.booleans())
    def start(self, extends: bool) -> None:  # noqa: FBT001 - Hypothesis gives it by name
        self.clock = Clock()
        self.api = Api(Options(auto_extend=extends), self.clock)
        self.extends = extends
        self.now = 0
        self.models: dict[str, Model] = {}

    @rule(target=paths, ttl=st.integers(1, 4))
    def create(self, ttl: int) -> str:
        path = self.api.session("n", ttl_seconds=ttl, config={"process_predictions": False})
        end = self.now + ttl * 10
        self.models[path] = Model(ttl * 10, end, end, self.extends)
        return path

    @rule(tenths=st.integers(1, 25))
    def time_passes(self, tenths: int) -> None:
        self.now += tenths
        self.clock.now = Clock().now + self.now * 100_000

    @precondition(lambda self: self.models)
    @rule(path=paths, observation=observations)
    def observe(self, path: str, observation: dict[str, Any]) -> None:
        model = self._write(path, "observe", observation)
        if model is not None:
            model.observe(observation)
            model.save(self.now)
            assert self.answer["time"] == model.time
            assert self.answer["stm_length"] == len(model.stm)

    @rule(path=paths, batch=st.lists(observations, max_size=4), at_end=st.booleans())
    def sequence(self, path: str, batch: list[dict[str, Any]], *, at_end: bool) -> None:
        body = {"observations": batch, "learn_at_end": at_end}
        model = self._write(path, "observe-sequence", body)
        if model is None:
            return
        times = []
        for observation in batch:
            model.observe(observation)
            times.append(model.time)
        if batch:
            if at_end:
                model.stm = []
            model.save(self.now)
        assert [result["time"] for result in self.answer["results"]] == times
        assert self.answer["final_stm_length"] == len(model.stm)

    @rule(path=paths)
    def learn(self, path: str) -> None:
        model = self.models[path]
        if model.lives(self.now) and not model.stm:
            assert self.api("POST", f"{path}/learn").status_code == 400
            model.look(self.now)
        elif self._write(path, "learn"):
            model.stm = []
            model.save(self.now)

    @rule(path=paths, what=st.sampled_from(["clear-stm", "clear-all"]))
    def clear(self, path: str, what: str) -> None:
        model = self._write(path, what)
        if model is not None:
            model.clear()
            model.save(self.now)

    @rule(path=paths, ttl=st.integers(-1, 6))
    def extend(self, path: str, ttl: int) -> None:
        model = self._write(path, f"extend?ttl_seconds={ttl}")
        if model is not None:
            model.end = model.kept = self.now + ttl * 10
            model.gone = ttl <= 0

    @rule(path=paths)
    def delete(self, path: str) -> None:
        model = self.models[path]
        status = 200 if model.lives(self.now) else 404
        assert self.api("DELETE", path).status_code == status
        model.gone = True

    @rule(path=paths)
    def read(self, path: str) -> None:
        model = self.models[path]
        if not model.lives(self.now):
            assert self.api("GET", path).status_code == 404
            return
        model.look(self.now)
        cognition = self.api.get(f"{path}/cognition-data")["cognition_data"]
        assert cognition["short_term_memory"] == model.stm == self.api.get(f"{path}/stm")["stm"]
        assert cognition["time"] == model.time
        assert cognition["emotives"] == (model.felt[-1] if model.felt else {})
        percept = self.api.get(f"{path}/percept-data")["percept_data"]
        assert percept.get("emotives", {}) == model.mean()
        left = model.ttl if model.extends else model.end - self.now
        assert self.api.get(path)["ttl_seconds"] == (left - 1) // 10

    @rule(path=paths)
    def exists(self, path: str) -> None:
        assert self.api.exists(path) is self.models[path].lives(self.now)

    def _write(self, path: str, what: str, body: object = None) -> Model | None:
        """Do it to the server; the model it must be done to as well, if the session lives."""
        model = self.models[path]
        answer = self.api("POST", f"{path}/{what}", json=body)
        self.answer: Any = answer.json()
        if not model.lives(self.now):
            assert answer.status_code == 404, self.answer
            return None
        assert answer.status_code == 200, self.answer
        model.look(self.now)
        return model


Sessions.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, database=None
)
TestSessions = Sessions.TestCase
