"""What the tasks take, checked with pydantic; a refusal is a sentence for the caller."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from kato_tasks.errors import InvalidInput
from kato_tasks.migration import Request
from kato_tasks.migration.asking import MOST_PARALLEL
from kato_tasks.models import IdlePolicy, PredictionMode
from kato_tasks.naming import check_key
from kato_tasks.observations import Observation, explain
from kato_tasks.sessions import Wanted

MAX_FAN_OUT = 10_000
_LAX: Final = Field(strict=False)
"""For what JSON has no type of its own: tuples come as lists, words of an enum as texts."""


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SessionArguments(_Arguments):
    """A session key with the options of :meth:`kato_tasks.sessions.Sessions.session`."""

    key: str
    node: str | None = None
    instance: str | None = None
    config: dict[str, JsonValue] | None = None
    ttl: int | None = None
    tags: list[str] = Field(default_factory=list)
    predictions: Annotated[PredictionMode, _LAX] | None = None
    auto_extend: bool = True
    keep_alive: bool = False
    idle: Annotated[IdlePolicy, _LAX] | None = None
    idle_after: float | None = None

    def options(self) -> dict[str, Any]:
        """Return the options of the session, without its key."""
        names = SessionArguments.model_fields.keys() - {"key"}
        return {name: getattr(self, name) for name in names}


class CommandArguments(SessionArguments):
    """A command without a payload."""

    command_id: str | None = None


class ObserveArguments(CommandArguments):
    """One observation for one session."""

    observation: Observation


class ConfigureArguments(CommandArguments):
    """A change of a session's config."""

    change: dict[str, JsonValue]


class FanOutArguments(_Arguments):
    """One observation for many sessions, or many pairs of session key and observation."""

    observation: Observation | None = None
    keys: list[str] = Field(default_factory=list, max_length=MAX_FAN_OUT)
    pairs: list[Annotated[tuple[str, Observation], _LAX]] = Field(
        default_factory=list, max_length=MAX_FAN_OUT
    )
    node: str | None = None
    instance: str | None = None
    tags: list[str] = Field(default_factory=list)

    def all_pairs(self) -> list[tuple[str, Observation]]:
        """Return what goes where.

        Raises:
            InvalidInput: Both forms are given, or neither.
        """
        if (self.observation is None) == (not self.pairs) or bool(self.keys) == bool(self.pairs):
            raise InvalidInput(
                "fan_out",
                f"has {len(self.keys)} keys and {len(self.pairs)} pairs",
                "an observation with keys, or pairs alone",
            )
        if self.observation is None:
            return self.pairs
        return [(key, self.observation) for key in self.keys]


class DeliverArguments(_Arguments):
    """Lanes with work."""

    keys: list[Annotated[str, AfterValidator(check_key)]]


class LookArguments(_Arguments):
    """Sessions that are due; None for all that are."""

    keys: list[Annotated[str, AfterValidator(check_key)]] | None = None


class PredictArguments(_Arguments):
    """A question for predictions."""

    # The other tasks make a session of their key, and that checks it.
    key: Annotated[str, AfterValidator(check_key)]
    after: int | None = Field(default=None, ge=0)
    timeout: float = Field(default=30.0, gt=0, le=300)


class MoveArguments(_Arguments):
    """One session, and the instance that it is to move to."""

    key: Annotated[str, AfterValidator(check_key)]
    target: str
    keep_for: float = 0.0
    accept_empty_node: bool = False


class HireArguments(_Arguments):
    """A migration, and how many hands it is to have."""

    migration: str
    hands: int = Field(ge=1, le=MOST_PARALLEL)


class MigrateArguments(_Arguments):
    """The fields of :class:`kato_tasks.migration.Request`."""

    source: str
    target: str | None = None
    node: str | None = None
    tags: list[str] = Field(default_factory=list)
    prefix: str = ""
    keys: list[Annotated[str, AfterValidator(check_key)]] = Field(default_factory=list)
    parallel: int = 8
    rate: float | None = None
    keep_for: float = 0.0
    accept_empty_node: bool = False
    most_failures: float = 0.1

    def request(self) -> Request:
        """Return them as a request."""
        wanted = Wanted(tags=frozenset(self.tags), node=self.node, prefix=self.prefix)
        return Request(
            source=self.source,
            target=self.target,
            wanted=wanted,
            keys=tuple(self.keys),
            parallel=self.parallel,
            rate=self.rate,
            keep_for=self.keep_for,
            accept_empty_node=self.accept_empty_node,
            most_failures=self.most_failures,
        )


A = TypeVar("A", bound=_Arguments)


def read(model: type[A], values: dict[str, Any]) -> A:
    """Return checked arguments.

    Raises:
        InvalidInput: One is missing, unknown or of a wrong type; the sentence names it.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise explain(error, "argument") from None
