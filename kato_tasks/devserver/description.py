"""What ``/openapi.json`` says: the real server's paths, parameters, bodies and answer fields.

Fields are written ``name:type``, with ``s i n b o a x`` for string, integer, number, boolean,
object, array and anything; ``?`` allows null, ``*`` makes a field optional.
"""

import re
from typing import NamedTuple

from kato_tasks.devserver.failures import Json

_TYPES = {
    "s": "string",
    "i": "integer",
    "n": "number",
    "b": "boolean",
    "o": "object",
    "a": "array",
}


class Described(NamedTuple):
    """One method of one path.

    Attributes:
        answer: The fields of its 200.
        query: The query parameters, all optional.
        body: The name of the body's schema, or "".
    """

    answer: str
    query: str = ""
    body: str = ""


_NODE = "node_id:s?*"
_MINUTES = "minutes:i*"
_S = "/sessions/{session_id}"

ROUTES: dict[tuple[str, str], Described] = {
    ("GET", "/sessions/test/{test_id}"): Described("test_id:s message:s"),
    ("POST", "/sessions"): Described(
        "session_id:s node_id:s created_at:s expires_at:s ttl_seconds:i metadata:o* "
        "session_config:o*",
        body="CreateSessionRequest",
    ),
    ("GET", "/sessions/count"): Described("active_session_count:i"),
    ("GET", f"{_S}/exists"): Described("exists:b expired:b session_id:s"),
    ("GET", _S): Described(
        "session_id:s node_id:s created_at:s expires_at:s ttl_seconds:i metadata:o* "
        "session_config:o*"
    ),
    ("DELETE", _S): Described("status:s session_id:s"),
    ("GET", f"{_S}/config"): Described("session_id:s config:o"),
    ("POST", f"{_S}/config"): Described("status:s message:s session_id:s", body="AnyObject"),
    ("POST", f"{_S}/extend"): Described("status:s session_id:s ttl_seconds:i", "ttl_seconds:i*"),
    ("POST", f"{_S}/observe"): Described(
        "status:s session_id:s?* processor_id:s?* stm_length:i?* time:i unique_id:s?* "
        "auto_learned_pattern:s?*",
        body="ObservationData",
    ),
    ("GET", f"{_S}/stm"): Described("stm:a session_id:s?* length:i?*"),
    ("POST", f"{_S}/learn"): Described(
        "status:s pattern_name:s session_id:s?* processor_id:s?* message:s?*"
    ),
    ("POST", f"{_S}/finalize-training"): Described(
        "status:s patterns_processed:i time_ms:n session_id:s?* node_id:s?* message:s?*"
    ),
    ("POST", f"{_S}/clear-stm"): Described("status:s session_id:s"),
    ("POST", f"{_S}/clear-all"): Described("status:s session_id:s scope:s"),
    ("POST", f"{_S}/observe-sequence"): Described(
        "status:s processor_id:s observations_processed:i initial_stm_length:i "
        "final_stm_length:i results:a auto_learned_patterns:a* final_learned_pattern:s?* "
        "isolated:b",
        body="ObservationSequenceRequest",
    ),
    ("GET", f"{_S}/predictions"): Described(
        "predictions:a* future_potentials:a?* session_id:s?* processor_id:s?* count:i time:i?* "
        "unique_id:s?*"
    ),
    ("GET", f"{_S}/percept-data"): Described("percept_data:o session_id:s node_id:s"),
    ("GET", f"{_S}/cognition-data"): Described("cognition_data:o session_id:s node_id:s"),
    ("GET", "/concurrency"): Described(
        "status:s current:o peak:o limits:o configuration:o recommendations:a timestamp:s"
    ),
    ("GET", "/cache/stats"): Described("cache_performance:o cache_health:o timestamp:s"),
    ("POST", "/cache/invalidate"): Described(
        "status:s patterns_invalidated:i?* symbols_invalidated:i?* session_id:s?* reason:s?* "
        "timestamp:s",
        "session_id:s?*",
    ),
    ("GET", "/distributed-stm/stats"): Described(
        "status:s distributed_stm_enabled:b?* performance_stats:o?* processor_info:o?* "
        "expected_improvements:o?* reason:s?* error:s?* timestamp:s"
    ),
    ("GET", "/metrics"): Described(
        "timestamp:n sessions:o?* performance:o?* resources:o?* databases:o?* rates:o?* "
        "processor_manager:o?* uptime_seconds:n?* active_sessions:i?* error:s?*"
    ),
    ("GET", "/stats"): Described(
        "time_range_minutes:i timestamp:n processor_manager:o?* current_status:o?* "
        "time_series:o?* summary:o?* error:s?*",
        _MINUTES,
    ),
    ("GET", "/metrics/{metric_name}"): Described(
        "metric_name:s time_range_minutes:i timestamp:n statistics:x data_points:a", _MINUTES
    ),
    ("GET", "/connection-pools"): Described(
        "status:s health:o?* pool_statistics:o?* connection_optimization:o?* "
        "performance_improvements:o?* error:s?* timestamp:s"
    ),
    ("GET", "/status"): Described(
        "status:s base_processor_id:s uptime_seconds:n sessions:o processors:o version:s"
    ),
    ("GET", "/health"): Described(
        "status:s processor_status:s service_name:s uptime_seconds:n issues:a "
        "metrics_collected:i last_collection:n active_sessions:i timestamp:s"
    ),
    ("GET", "/pattern/{pattern_id}"): Described("pattern:x node_id:s", _NODE),
    ("GET", "/percept-data"): Described("percept_data:o node_id:s warning:s", _NODE),
    ("GET", "/cognition-data"): Described("cognition_data:o node_id:s warning:s", _NODE),
    ("GET", "/symbols/affinity"): Described("affinities:o node_id:s", _NODE),
    ("GET", "/symbols/stats"): Described("symbols:o node_id:s", _NODE),
    ("GET", "/symbols/{symbol}/affinity"): Described("symbol:s affinity:x node_id:s", _NODE),
    ("GET", "/"): Described(
        "service:s version:s description:s docs:s health:s status:s uptime_seconds:n "
        "architecture:s session_support:b"
    ),
}


def description(title: str, version: str) -> Json:
    """The OpenAPI document."""
    paths: dict[str, Json] = {}
    for (method, path), described in ROUTES.items():
        paths.setdefault(path, {})[method.lower()] = _operation(path, described)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": _bodies()},
    }


def _operation(path: str, described: Described) -> Json:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    query = _object(described.query)
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in query["properties"].items()
    ]
    answers = {"200": _content("Successful Response", _object(described.answer))}
    if parameters or described.body:
        problems = _object("detail:a*")
        answers["422"] = _content("Validation Error", problems)
    operation: dict[str, Json] = {"parameters": parameters, "responses": answers}
    if described.body:
        body = {"$ref": f"#/components/schemas/{described.body}"}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": body}},
        }
    return operation


def _bodies() -> Json:
    strings = {"type": "array", "items": {"type": "string"}}
    numbers = {"type": "array", "items": {"type": "number"}}
    observation = _object("strings:a* vectors:a* emotives:o* metadata:o*")
    observation["properties"] |= {
        "strings": strings,
        "vectors": {"type": "array", "items": numbers},
        "emotives": {"type": "object", "additionalProperties": {"type": "number"}},
    }
    item = {
        "type": "object",
        "properties": observation["properties"] | _object("unique_id:s?*")["properties"],
    }
    sequence = _object("observations:a learn_after_each:b* learn_at_end:b* clear_stm_between:b*")
    sequence["properties"]["observations"] = {"type": "array", "items": item}
    return {
        "AnyObject": {"type": "object", "additionalProperties": True},
        "CreateSessionRequest": _object("node_id:s metadata:o?* ttl_seconds:i?* config:o?*"),
        "ObservationData": observation,
        "ObservationSequenceRequest": sequence,
    }


def _content(text: str, schema: Json) -> Json:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _object(fields: str) -> dict[str, Json]:
    """The schema of an object with these fields."""
    parts = [field.split(":") for field in fields.split()]
    schema: dict[str, Json] = {
        "type": "object",
        "properties": {name: _field(kind) for name, kind in parts},
    }
    if required := [name for name, kind in parts if not kind.endswith("*")]:
        schema["required"] = required
    return schema


def _field(kind: str) -> Json:
    if kind[0] not in _TYPES:
        return {}
    plain = {"type": _TYPES[kind[0]]}
    return {"anyOf": [plain, {"type": "null"}]} if "?" in kind else plain
