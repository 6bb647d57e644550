"""Settings: one frozen object, read from the environment once and passed down."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kato_tasks import naming
from kato_tasks.errors import InvalidInput, UnknownInstance
from kato_tasks.models import (
    AnomalyPolicy,
    DialectName,
    IdlePolicy,
    LearnDoubt,
    PoisonPolicy,
    PredictionMode,
)
from kato_tasks.observations import explain

PREFIX = "KATO_TASKS_"
"""What the environment variables begin with: ``redis_url`` is ``KATO_TASKS_REDIS_URL``."""

_ALIKE = 0.8
"""How alike a variable and a setting are, of 1, for the one to be the other misspelt."""
_KINDS = {"instances": "URLs", "dialects": "words", "weights": "numbers"}
_USERINFO = re.compile(r"//[^/\s,]*@")

Seconds = Annotated[float, Field(gt=0, le=86_400 * 365)]


class Settings(BaseSettings):
    """Everything that can be set, with its default. Times are seconds unless said.

    Attributes:
        redis_url: Our store: lanes, registry, leases. Redis >= 7 or Valkey.
        broker_url: Celery's broker; the store's URL if absent.
        database_url: The ledger of migrations: ``sqlite:///FILE`` or ``postgresql://…``; a file of
            this user's own if absent.
        instances: KATO servers by name, as ``name=url,name=url`` or a JSON object.
        dialects: How instances speak, ``v3`` or ``guide``, as ``name=dialect``; the others are
            asked.
        weights: How large a share of the nodes each instance gets, as ``name=number``; 1 for the
            others.
        prefix: What every Redis key begins with.
        shards: In how many hash slots the sessions are spread. Fixed for the life of a store.
        store_timeout: How long one round trip to the store may take.
        kato_timeout: How long KATO may take to read, or to answer, in one call.
        kato_connect_timeout: How long connecting to KATO may take.
        kato_connections: Most connections of one process to one KATO server.
        predictions: When the server computes predictions, unless a session says otherwise.
        ttl: Seconds without a write after which KATO forgets a session; None for its default.
        batch_commands: Most observations in one call.
        batch_bytes: Most JSON in one call, unless one observation alone is longer.
        max_observation_bytes: Longest observation that is accepted.
        lane_commands: Most commands of one session that may wait for delivery.
        journal_entries: How much of what made a session is kept to make it anew. 2,000 are what
            its short-term memory can hold at the server, and as much again.
        lease: How long a lane is claimed; renewed every third of it.
        turn: How long one lane is delivered before others have their turn.
        node_wait: How long a turn waits for a node that has no call to spare.
        retry_first: Pause after the first call that could not be made.
        retry_most: Longest such pause.
        anomaly: What happens where a server has another memory of a session than it must have:
            ``rehome`` makes it anew, ``park`` waits for a person, ``accept`` goes on with it.
        look_wait: How long a call that nobody answered is waited for before its session is made
            anew.
        doubt_wait: The longest that a server may still work on a request whose client has gone.
        learn_doubt: What happens to a learn of which cannot be told whether it was counted:
            ``resend``, ``skip`` or ``park``.
        poison: What happens where a server does not take a command: ``go_on`` without it, or
            ``park`` the lane at it. It becomes a dead letter both ways.
        poison_attempts: How often a command that fails alone at the server is tried before the
            server is asked whether it takes others.
        wake_grace: How long a wake-up may take before the sweep sends another.
        wake_lanes: Most lanes that one wake-up message names.
        sweep_interval: How often each worker looks for lanes that nobody works on.
        beat_sweep_interval: How often beat has a worker look, over and above.
        beat_lease: For how long one beat has the ticks sent, renewed every tenth of it. When it is
            killed another one goes on after that.
        sweep_lanes: Most lanes of one shard that one sweep takes up.
        dedup_ids: How many command_ids a session remembers.
        dedup_seconds: How long it remembers them after its last append.
        outcomes: How many learn results and refusals a session remembers, for a day.
        dead_letters: How many dead letters a shard keeps.
        retention: How long a record stays after its session's last use.
        idle_seconds: Without use for longer than this a session is idle.
        expiring_share: What share of its time to live must be over for a session to be expiring.
        idle: What happens to a session that is idle beyond its limit: ``hibernate`` puts it to
            sleep, ``delete`` ends it, ``keep`` leaves it to its server.
        idle_after: That limit, unless the session has one of its own.
        refresh_interval: How often sessions that are kept alive are looked at.
        cleanup_interval: How often idle sessions are looked for.
        due_sessions: Most sessions of one shard that are looked at in one go.
        queue_prefix: What the names of the Celery queues begin with.
        worker_threads: How many lanes one worker process delivers at a time.
        node_calls: Calls on one node of an instance at a time, over all workers.
        learning_kept: How long a session keeps the right to learn on its node after its last learn.
        breaker_failures: Failed calls in a row, over all workers, after which an instance is not
            called for a while.
        breaker_open: For how long it is not called then; doubled after each failed attempt.
        breaker_most: Longest such pause.
        instance_nodes: Most nodes that a migration may bring an instance to; None for no limit. A
            server process keeps 100 at a time, and forgets the vectors of those beyond.
        instance_connections: Connections to one KATO server of all processes together, idle ones
            too; the rest up to the server's own limit (100) is for others.
        ready_file: A file that a worker writes once it consumes; none by default.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    redis_url: Annotated[str, Field(repr=False)] = "redis://127.0.0.1:6379/0"
    broker_url: Annotated[str, Field(repr=False)] = ""
    database_url: Annotated[str, Field(repr=False)] = ""
    instances: Annotated[Mapping[str, str], NoDecode] = Field(
        default_factory=lambda: {"default": "http://127.0.0.1:8000"}, repr=False
    )
    dialects: Annotated[Mapping[str, DialectName], NoDecode] = Field(default_factory=dict)
    weights: Annotated[Mapping[str, Annotated[float, Field(gt=0, le=1e6)]], NoDecode] = Field(
        default_factory=dict
    )
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")] = "kt"
    shards: Annotated[int, Field(ge=1, le=1024)] = 16
    store_timeout: Seconds = 5.0
    kato_timeout: Seconds = 30.0
    kato_connect_timeout: Seconds = 5.0
    kato_connections: Annotated[int, Field(ge=1, le=100)] = 32
    predictions: PredictionMode = PredictionMode.ON_DEMAND
    ttl: Annotated[int, Field(ge=2)] | None = None
    batch_commands: Annotated[int, Field(ge=1, le=1000)] = 200
    batch_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    max_observation_bytes: Annotated[int, Field(ge=2)] = 65_536
    lane_commands: Annotated[int, Field(ge=1)] = 100_000
    journal_entries: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    lease: Seconds = 5.0
    turn: Seconds = 2.0
    node_wait: Seconds = 1.0
    retry_first: Seconds = 0.5
    retry_most: Seconds = 30.0
    anomaly: AnomalyPolicy = AnomalyPolicy.REHOME
    look_wait: Seconds = 1.0
    doubt_wait: Seconds = 30.0
    learn_doubt: LearnDoubt = LearnDoubt.RESEND
    poison: PoisonPolicy = PoisonPolicy.GO_ON
    poison_attempts: Annotated[int, Field(ge=1, le=100)] = 4
    wake_grace: Seconds = 5.0
    wake_lanes: Annotated[int, Field(ge=1, le=1000)] = 8
    sweep_interval: Seconds = 1.0
    beat_sweep_interval: Seconds = 10.0
    beat_lease: Seconds = 10.0
    sweep_lanes: Annotated[int, Field(ge=1, le=10_000)] = 200
    dedup_ids: Annotated[int, Field(ge=1)] = 10_000
    dedup_seconds: Seconds = 86_400.0
    outcomes: Annotated[int, Field(ge=1)] = 1_000
    dead_letters: Annotated[int, Field(ge=1)] = 10_000
    retention: Seconds = 86_400.0 * 30
    idle_seconds: Seconds = 300.0
    expiring_share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    idle: IdlePolicy = IdlePolicy.HIBERNATE
    idle_after: Seconds = 1800.0
    refresh_interval: Seconds = 15.0
    cleanup_interval: Seconds = 30.0
    due_sessions: Annotated[int, Field(ge=1, le=10_000)] = 500
    queue_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,64}$")] = "kato_tasks."
    worker_threads: Annotated[int, Field(ge=1, le=512)] = 16
    node_calls: Annotated[int, Field(ge=1, le=100)] = 16
    learning_kept: Seconds = 600.0
    breaker_failures: Annotated[int, Field(ge=1, le=10_000)] = 5
    breaker_open: Seconds = 1.0
    breaker_most: Seconds = 5.0
    instance_nodes: Annotated[int, Field(ge=1)] | None = None
    instance_connections: Annotated[int, Field(ge=1, le=10_000)] = 80
    ready_file: str = ""

    @field_validator("instances", mode="before")
    @classmethod
    def _read_instances(cls, value: object) -> object:
        return parse_instances(value) if isinstance(value, str) else value

    @field_validator("instances")
    @classmethod
    def _check_instances(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if not value:
            raise InvalidInput("instances", "are empty", "at least one name=url")
        return {naming.check_instance_name(name): _check_url(url) for name, url in value.items()}

    @field_validator("dialects", mode="before")
    @classmethod
    def _read_dialects(cls, value: object) -> object:
        pairs = _parse_pairs("dialects", value) if isinstance(value, str) else value
        return _known_dialects(pairs) if isinstance(pairs, Mapping) else pairs

    @field_validator("weights", mode="before")
    @classmethod
    def _read_weights(cls, value: object) -> object:
        return _parse_pairs("weights", value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for setting, names in (("dialects", self.dialects), ("weights", self.weights)):
            strangers = [name for name in names if name not in self.instances]
            if strangers:
                known = ", ".join(sorted(self.instances))
                raise InvalidInput(
                    setting, f"name the instance {strangers[0]!r}", f"one of {known}"
                )
        return self

    @property
    def broker(self) -> str:
        """The URL of Celery's broker."""
        return self.broker_url or self.redis_url

    @property
    def longest_call(self) -> float:
        """How long one call to KATO may take, with all that it may have to wait for.

        A connection may have to be waited for, and then to be made. The answer may take its time
        to begin, as long again to be read, and its last piece as long once more.
        """
        return 2 * self.kato_connect_timeout + 3 * self.kato_timeout

    @property
    def longest_pause(self) -> float:
        """How long a look at a lane with work may be put off, in seconds."""
        own = (self.lease, self.wake_grace, self.doubt_wait, self.retry_most, self.breaker_most)
        return 2 * sum(own)

    def instance_url(self, name: str) -> str:
        """Return the URL of an instance.

        Raises:
            UnknownInstance: No instance of that name is configured.
        """
        try:
            return self.instances[name]
        except KeyError:
            raise UnknownInstance(name, tuple(self.instances)) from None

    def weight_of(self, name: str) -> float:
        """Return how large a share of the nodes an instance gets, beside the others' weights."""
        return self.weights.get(name, 1.0)

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """Return the settings of the environment, with ``overrides`` on top.

        Raises:
            InvalidInput: A value is out of its range, or a variable names no setting; the
                sentence says which.
        """
        _check_variables(tuple(cls.model_fields))
        try:
            return cls.model_validate(overrides) if overrides else cls()
        except ValidationError as error:
            raise explain(error, "setting") from None


def _check_variables(fields: Sequence[str]) -> None:
    """Refuse variables that are a setting misspelt.

    Others with our prefix are not ours to refuse: an orchestrator that runs a service of this name
    adds ``KATO_TASKS_PORT`` and its like to every process.
    """
    for variable in os.environ:
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name not in fields:
            meant = difflib.get_close_matches(name, fields, n=1, cutoff=_ALIKE)
            if meant:
                allowed = f"{PREFIX}{meant[0].upper()}, if that is meant"
                raise InvalidInput(f"variable {variable}", "names no setting", allowed)


def parse_instances(text: str) -> dict[str, str]:
    """Return the instances of ``name=url,name=url`` or a JSON object; a lone URL is ``default``.

    Raises:
        InvalidInput: A name is missing or given twice, or the object is none of texts.
    """
    return _parse_pairs("instances", text)


def _parse_pairs(setting: str, text: str) -> dict[str, str]:
    if text.lstrip().startswith("{"):
        return _read_json(setting, text)
    pairs = [_pair(part.strip()) for part in text.split(",") if part.strip()]
    values = dict(pairs)
    if len(values) != len(pairs):
        raise InvalidInput(setting, f"is {_shown(text)}", "every name once")
    return values


def _read_json(setting: str, text: str) -> dict[str, str]:
    try:
        return TypeAdapter(dict[str, str]).validate_json(text)
    except ValidationError:
        allowed = f"a JSON object of {_KINDS[setting]} by name"
        raise InvalidInput(setting, f"is {_shown(text)}", allowed) from None


def _pair(part: str) -> tuple[str, str]:
    name, separator, value = part.partition("=")
    if separator and "://" not in name:
        return naming.check_instance_name(name.strip()), value.strip()
    return "default", part


def _known_dialects(value: Mapping[object, object]) -> Mapping[object, object]:
    words = [name.value for name in DialectName]
    for instance, word in value.items():
        if word not in words:
            problem = f"say {word!r} of the instance {instance!r}"
            raise InvalidInput("dialects", problem, " or ".join(words))
    return value


def _check_url(url: str) -> str:
    """Return a URL that a client can be made of: scheme, host, port, path."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise InvalidInput(
            "instances", f"has the URL {_shown(url)}", "http:// or https:// URLs of a host"
        )
    return url.rstrip("/")


def _shown(text: str) -> str:
    """Return a text as an error may show it: without what stands before the host of a URL."""
    return repr(_USERINFO.sub("//***@", text))
