"""The values that pass between the layers."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass
from enum import StrEnum

import pytest

from kato_tasks import models
from kato_tasks.models import Kind, SessionRecord, SessionSpec, SessionState

OWN = [
    value for value in vars(models).values() if getattr(value, "__module__", "") == models.__name__
]
VALUES = [value for value in OWN if is_dataclass(value)]
ENUMS = [value for value in OWN if isinstance(value, type) and issubclass(value, StrEnum)]


def record() -> SessionRecord:
    return SessionRecord(
        key="a",
        spec=SessionSpec(node="n", instance="i"),
        state=SessionState.NEW,
        session_id=None,
        time=0,
        epoch=0,
        appended=5,
        applied=3,
        created_at=0.0,
        active_at=0.0,
    )


def test_what_waits_is_what_was_accepted_and_not_delivered() -> None:
    assert record().waiting == 2


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        record().key = "b"  # type: ignore[misc]


@pytest.mark.parametrize("value", VALUES)
def test_values_are_keyword_only_and_say_what_each_field_is(value: type) -> None:
    assert all(field.kw_only for field in fields(value))
    documented = str(value.__doc__)
    assert all(f"{field.name}: " in documented for field in fields(value))


@pytest.mark.parametrize("enum", ENUMS)
def test_no_two_members_share_a_value(enum: type[StrEnum]) -> None:
    assert len({member.value for member in enum}) == len(enum.__members__)


def test_the_marks_in_the_lane_are_one_byte_and_stay_as_they_are() -> None:
    assert {kind.name: kind.value for kind in Kind} == {
        "OBSERVE": "o",
        "LEARN": "l",
        "CLEAR_STM": "c",
        "CONFIGURE": "g",
        "DELETE": "d",
        "EXTEND": "e",
    }
