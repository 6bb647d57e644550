"""What a session is created with: checked, placed on an instance, with the defaults filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from pydantic import JsonValue

from kato_tasks import naming
from kato_tasks.errors import InvalidInput
from kato_tasks.kato import validate_config
from kato_tasks.kato.config import MAX_TTL_SECONDS
from kato_tasks.models import PredictionMode, SessionSpec
from kato_tasks.observations import shown
from kato_tasks.settings import Settings

_PREDICTIONS: Final = "process_predictions"
_LONGEST_NAME: Final = 63


def make_spec(  # noqa: PLR0913 - the options of a session
    settings: Settings,
    *,
    node: str,
    instance: str | None = None,
    config: Mapping[str, JsonValue] | None = None,
    ttl: int | None = None,
    tags: Sequence[str] = (),
    predictions: PredictionMode | str | None = None,
) -> SessionSpec:
    """Return the spec of a session; see :meth:`Sessions.session` for the arguments.

    Raises:
        InvalidInput: An argument is out of its range.
        UnknownInstance: No such instance is configured.
    """
    naming.check_node(node)
    overrides, mode = _split_config(settings, {} if config is None else config, predictions)
    return SessionSpec(
        node=node,
        instance=_choose_instance(settings, node, instance),
        config=overrides,
        ttl=_check_ttl(settings.ttl if ttl is None else ttl),
        tags=naming.check_tags(tags),
        predictions=mode,
    )


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
        return place(node, tuple(settings.instances))
    if not isinstance(wanted, str) or len(wanted) > _LONGEST_NAME:
        known = ", ".join(sorted(settings.instances))
        raise InvalidInput("instance", f"is {shown(wanted)}", f"one of {known}")
    settings.instance_url(wanted)
    return wanted


def place(node: str, instances: Sequence[str]) -> str:
    """Return the instance for a node: the same in every process, evenly spread.

    Patterns live per node on an instance, so all sessions of one folded node go together; when
    an instance is added, only nodes that move to it change their place (rendezvous hashing).
    """
    folded = naming.fold_node(node)
    return max(
        instances,
        key=lambda name: blake2b(f"{name}\0{folded}".encode(), digest_size=8).digest(),
    )


def _check_ttl(ttl: object) -> int | None:
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int) or not 1 <= ttl <= MAX_TTL_SECONDS:
        raise InvalidInput("ttl", f"is {shown(ttl)}", f"whole seconds from 1 to {MAX_TTL_SECONDS}")
    return ttl


def _check_mode(mode: object) -> PredictionMode:
    if isinstance(mode, str) and mode in set(PredictionMode):
        return PredictionMode(mode)
    raise InvalidInput("predictions", f"is {shown(mode)}", "on_demand or always")
