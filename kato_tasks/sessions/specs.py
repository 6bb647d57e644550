"""What a session is created with: checked, placed on an instance, with the defaults filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from kato_tasks import naming
from kato_tasks.deadlines import LEAST_TICKS, least_ttl
from kato_tasks.errors import InvalidInput
from kato_tasks.kato import validate_config
from kato_tasks.kato.config import MAX_TTL_SECONDS
from kato_tasks.models import IdlePolicy, PredictionMode, SessionSpec
from kato_tasks.observations import shown
from kato_tasks.placing import place
from kato_tasks.settings import Settings

_PREDICTIONS: Final = "process_predictions"
_LONGEST_NAME: Final = 63
_LEAST_TTL: Final = 2
"""A server counts whole seconds after a write: with one it forgets a session at the first."""
_LONGEST_IDLE: Final = 86_400 * 365


def make_spec(  # noqa: PLR0913 - the options of a session
    settings: Settings,
    *,
    node: str,
    instance: str | None = None,
    config: Mapping[str, JsonValue] | None = None,
    ttl: int | None = None,
    tags: Sequence[str] = (),
    predictions: PredictionMode | str | None = None,
    auto_extend: bool = True,
    idle: IdlePolicy | str | None = None,
    idle_after: float | None = None,
) -> SessionSpec:
    """Return the spec of a session; see :meth:`Sessions.session` for the arguments.

    Raises:
        InvalidInput: An argument is out of its range.
        UnknownInstance: No such instance is configured.
    """
    naming.check_node(node)
    overrides, mode = _split_config(settings, {} if config is None else config, predictions)
    seconds = _check_ttl(settings.ttl if ttl is None else ttl)
    return SessionSpec(
        node=node,
        instance=_choose_instance(settings, node, instance),
        config=overrides,
        ttl=seconds,
        tags=naming.check_tags(tags),
        predictions=mode,
        auto_extend=_check_auto_extend(auto_extend, seconds),
        idle=None if idle is None else _check_idle(idle),
        idle_after=None if idle_after is None else _check_idle_after(idle_after),
    )


def check_keep_alive(keep_alive: object, spec: SessionSpec, settings: Settings) -> bool:
    """Return whether a session is to be kept alive.

    Raises:
        InvalidInput: It is no truth value, the session ends by itself, or its time to live is too
            short to be looked at in time.
    """
    if not isinstance(keep_alive, bool):
        raise InvalidInput("keep_alive", f"is {shown(keep_alive)}", "true or false")
    if not keep_alive:
        return False
    if not spec.auto_extend:
        raise InvalidInput(
            "keep_alive", "is true for a session that is to end by itself", "one of both"
        )
    least = least_ttl(settings)
    if spec.ttl is not None and spec.ttl < least:
        raise InvalidInput(
            "ttl",
            f"is {spec.ttl} for a session that is to be kept alive",
            f"at least {least:g} seconds: {LEAST_TICKS} times the setting refresh_interval and 1",
        )
    return True


def encode_config(config: Mapping[str, JsonValue]) -> bytes:
    """Return a change of a session's config as the JSON of its command.

    Raises:
        InvalidInput: A key or value is none of the server's, there is none, or it is
            ``process_predictions``.
    """
    checked = validate_config(config)
    if not checked:
        raise InvalidInput("config", "is empty", "at least one key")
    if _PREDICTIONS in checked:
        raise InvalidInput(
            f"config.{_PREDICTIONS}",
            "cannot be changed while the session lives",
            "the option predictions at its first use",
        )
    return json.dumps(checked, ensure_ascii=False, separators=(",", ":")).encode()


def _split_config(
    settings: Settings,
    config: Mapping[str, JsonValue],
    predictions: PredictionMode | str | None,
) -> tuple[Mapping[str, JsonValue], PredictionMode]:
    """Take ``process_predictions`` out: when predictions are computed is our own option."""
    overrides = validate_config(config)
    wanted = overrides.pop(_PREDICTIONS, None)
    if predictions is not None:
        return overrides, _check_mode(predictions)
    if wanted is None:
        return overrides, settings.predictions
    return overrides, PredictionMode.ALWAYS if wanted else PredictionMode.ON_DEMAND


def _choose_instance(settings: Settings, node: str, wanted: object) -> str:
    if wanted is None:
        # A first guess: who accepts it asks where the node is at home.
        return place(node, {name: settings.weight_of(name) for name in settings.instances})
    if not isinstance(wanted, str) or len(wanted) > _LONGEST_NAME:
        known = ", ".join(sorted(settings.instances))
        raise InvalidInput("instance", f"is {shown(wanted)}", f"one of {known}")
    settings.instance_url(wanted)
    return wanted


def _check_ttl(ttl: object) -> int | None:
    if ttl is None:
        return None
    if (
        isinstance(ttl, bool)
        or not isinstance(ttl, int)
        or not _LEAST_TTL <= ttl <= MAX_TTL_SECONDS
    ):
        allowed = f"whole seconds from {_LEAST_TTL} to {MAX_TTL_SECONDS}"
        raise InvalidInput("ttl", f"is {shown(ttl)}", allowed)
    return ttl


def _check_auto_extend(value: object, ttl: int | None) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput("auto_extend", f"is {shown(value)}", "true or false")
    if not value and ttl is None:
        raise InvalidInput("auto_extend", "is false, and there is no ttl to end after", "a ttl")
    return value


def _check_idle(value: object) -> IdlePolicy:
    if isinstance(value, str) and value in set(IdlePolicy):
        return IdlePolicy(value)
    raise InvalidInput("idle", f"is {shown(value)}", ", ".join(IdlePolicy))


def _check_idle_after(value: object) -> float:
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 < value <= _LONGEST_IDLE
    ):
        return float(value)
    raise InvalidInput(
        "idle_after", f"is {shown(value)}", f"seconds, more than 0 and up to {_LONGEST_IDLE}"
    )


def _check_mode(mode: object) -> PredictionMode:
    if isinstance(mode, str) and mode in set(PredictionMode):
        return PredictionMode(mode)
    raise InvalidInput("predictions", f"is {shown(mode)}", "on_demand or always")
