"""Request bodies and query values checked the way the real server checks them (kato-api 1).

The 422 bodies are those of FastAPI; the checks are written by hand because only a handful of
shapes exist and a test server must not be slower than what it stands in for.
"""

import json
import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from kato_tasks.devserver.failures import Json, Refused
from kato_tasks.devserver.rules import Observation

Loc = tuple[str | int, ...]
Problem = dict[str, Json]
T = TypeVar("T")

_NO_MODEL = "Input should be a valid dictionary or object to extract fields from"
_TRUE = (True, 1, "1", "true", "t", "yes", "y", "on")
_FALSE = (False, 0, "0", "false", "f", "no", "n", "off")


class NewSession(NamedTuple):
    """The body of ``POST /sessions``."""

    node_id: str
    metadata: dict[str, Json]
    ttl_seconds: int | None
    config: dict[str, Json] | None


class Batch(NamedTuple):
    """The body of ``POST /sessions/{id}/observe-sequence``; ids stand beside their items."""

    observations: list[Observation]
    unique_ids: list[str | None]
    learn_after_each: bool
    learn_at_end: bool
    clear_stm_between: bool


class Check:
    """Collects every problem of one request; each check returns the coerced value."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def fail(self, kind: str, loc: Loc, message: str, value: Json) -> None:
        """Note one problem at the place ``loc``."""
        self.problems.append({"type": kind, "loc": loc, "msg": message, "input": value})

    def finish(self) -> None:
        """Raise the 422 if anything was noted."""
        if self.problems:
            raise Refused(422, {"detail": self.problems})

    def text(self, value: Json, loc: Loc) -> str:
        """A string, not coerced."""
        if isinstance(value, str):
            return value
        self.fail("string_type", loc, "Input should be a valid string", value)
        return ""

    def mapping(self, value: Json, loc: Loc) -> dict[str, Json]:
        """An object."""
        if isinstance(value, dict):
            return value
        self.fail("dict_type", loc, "Input should be a valid dictionary", value)
        return {}

    def items(self, value: Json, loc: Loc, check: Callable[[Json, Loc], T]) -> list[T]:
        """A list, each item checked."""
        if isinstance(value, list):
            return [check(item, (*loc, place)) for place, item in enumerate(value)]
        self.fail("list_type", loc, "Input should be a valid list", value)
        return []

    def number(self, value: Json, loc: Loc) -> float:
        """A float; integers, booleans and numeric strings are coerced."""
        if isinstance(value, (int, float)):
            return float(value)
        if not isinstance(value, str):
            self.fail("float_type", loc, "Input should be a valid number", value)
            return 0.0
        try:
            return float(value)
        except ValueError:
            message = "Input should be a valid number, unable to parse string as a number"
            self.fail("float_parsing", loc, message, value)
            return 0.0

    def whole(self, value: Json, loc: Loc) -> int:
        """An integer; booleans, whole floats and numeric strings are coerced (kato-api 2)."""
        text = "Input should be a valid integer"
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return self._whole_float(value, loc)
        if not isinstance(value, str):
            self.fail("int_type", loc, text, value)
            return 0
        try:
            return int(value)
        except ValueError:
            self.fail("int_parsing", loc, f"{text}, unable to parse string as an integer", value)
            return 0

    def _whole_float(self, value: float, loc: Loc) -> int:
        if not math.isfinite(value):
            self.fail("finite_number", loc, "Input should be a finite number", value)
        elif not value.is_integer():
            message = "Input should be a valid integer, got a number with a fractional part"
            self.fail("int_from_float", loc, message, value)
        else:
            return int(value)
        return 0

    def boolean(self, value: Json, loc: Loc) -> bool:
        """A boolean; 0, 1 and the usual words are coerced."""
        if not isinstance(value, (bool, int, float, str)):
            self.fail("bool_type", loc, "Input should be a valid boolean", value)
            return False
        word = value.lower() if isinstance(value, str) else value
        if word not in _TRUE and word not in _FALSE:
            message = "Input should be a valid boolean, unable to interpret input"
            self.fail("bool_parsing", loc, message, value)
        return word in _TRUE

    def model(self, value: Json, loc: Loc) -> dict[str, Json]:
        """An object where a model is expected: the text of the problem is another."""
        if isinstance(value, dict):
            return value
        self.fail("model_attributes_type", loc, _NO_MODEL, value)
        return {}


def decoded(body: bytes, content_type: str) -> Json:
    """The JSON value of a request body; a body of another type is passed on as its text.

    Raises:
        Refused: 422 for no body and for text that is no JSON, 400 for bytes that are no text.
    """
    if not body:
        problem: Problem = {
            "type": "missing",
            "loc": ("body",),
            "msg": "Field required",
            "input": None,
        }
        raise Refused(422, {"detail": [problem]})
    if content_type and "json" not in content_type:
        return body.decode(errors="replace")
    try:
        return json.loads(body)
    except UnicodeDecodeError:
        raise Refused(400, {"detail": "There was an error parsing the body"}) from None
    except json.JSONDecodeError as error:
        problem = {
            "type": "json_invalid",
            "loc": ("body", error.pos),
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": error.msg},
        }
        raise Refused(422, {"detail": [problem]}) from None


def new_session(data: Json) -> NewSession:
    """Check the body of a create."""
    check, loc = Check(), ("body",)
    body = check.model(data, loc)
    if isinstance(data, dict) and "node_id" not in body:
        check.fail("missing", (*loc, "node_id"), "Field required", body)
    node_id = check.text(body.get("node_id", ""), (*loc, "node_id"))
    info = body.get("metadata")
    info = {} if info is None else check.mapping(info, (*loc, "metadata"))
    ttl = body.get("ttl_seconds")
    ttl = None if ttl is None else check.whole(ttl, (*loc, "ttl_seconds"))
    config = body.get("config")
    config = None if config is None else check.mapping(config, (*loc, "config"))
    check.finish()
    return NewSession(node_id, info, ttl, config)


def config_update(data: Json) -> dict[str, Json]:
    """Check the body of a configuration update: any object."""
    check = Check()
    body = check.mapping(data, ("body",))
    check.finish()
    return body


def extension(value: str | None) -> int:
    """Check the ``ttl_seconds`` of an extend, a query value; absent is an hour (kato-api 2)."""
    check = Check()
    ttl = 3600 if value is None else check.whole(value, ("query", "ttl_seconds"))
    check.finish()
    return ttl


def observation(data: Json) -> Observation:
    """Check the body of an observe."""
    quick = _plain_strings(data)
    if quick is not None:
        return quick
    check = Check()
    found = _observation(check, data, ("body",))
    check.finish()
    return found


def batch(data: Json) -> Batch:
    """Check the body of an observe-sequence."""
    check, loc = Check(), ("body",)
    body = check.model(data, loc)
    if isinstance(data, dict) and "observations" not in body:
        check.fail("missing", (*loc, "observations"), "Field required", body)
    unique_ids: list[str | None] = []

    def item(value: Json, place: Loc) -> Observation:
        found = _plain_strings(value)
        if found is None:
            found = _observation(check, value, place)
        marker = value.get("unique_id") if isinstance(value, dict) else None
        if marker is not None:
            marker = check.text(marker, (*place, "unique_id"))
        unique_ids.append(marker)
        return found

    observations = check.items(body.get("observations", []), (*loc, "observations"), item)
    flags = [
        check.boolean(body.get(name, False), (*loc, name))
        for name in ("learn_after_each", "learn_at_end", "clear_stm_between")
    ]
    check.finish()
    return Batch(observations, unique_ids, *flags)


def _plain_strings(data: Json) -> Observation | None:
    """The common observation, strings and nothing else, without the price of a full check."""
    if type(data) is not dict:
        return None
    strings = data.get("strings")
    if type(strings) is not list or "vectors" in data or "emotives" in data or "metadata" in data:
        return None
    for string in strings:
        if type(string) is not str:
            return None
    return Observation(strings, [], {}, {})


def _observation(check: Check, data: Json, loc: Loc) -> Observation:
    body = check.model(data, loc)

    def vector(value: Json, place: Loc) -> list[float]:
        return check.items(value, place, check.number)

    strings = check.items(body.get("strings", []), (*loc, "strings"), check.text)
    vectors = check.items(body.get("vectors", []), (*loc, "vectors"), vector)
    place = (*loc, "emotives")
    emotives = {
        name: check.number(value, (*place, name))
        for name, value in check.mapping(body.get("emotives", {}), place).items()
    }
    metadata = check.mapping(body.get("metadata", {}), (*loc, "metadata"))
    return Observation(strings, vectors, emotives, metadata)
