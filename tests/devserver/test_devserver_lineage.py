"""How the audit tells a replay from a duplicate, across the sessions of one key."""

from pathlib import Path
from urllib.parse import quote

import pytest
from devserver_api import Api, Clock

from kato_tasks.devserver import engine as engine_module
from kato_tasks.devserver.options import Options

KEY = "user/42: chat?"
BATCH = {"observations": [{"strings": ["a"], "unique_id": "c-1"}, {"strings": ["b"]}]}


def _rebuilt(api: Api) -> tuple[str, str]:
    """Two sessions of one key, the second rebuilt from the first."""
    first, second = (api.session(metadata={"kato_tasks_key": KEY}) for _ in range(2))
    delivery = {"X-Kato-Tasks-Commands": "1-2"}
    api("POST", f"{first}/observe-sequence", json=BATCH, headers=delivery)
    api("DELETE", first)
    replay = {"X-Kato-Tasks-Source": "replay", "X-Kato-Tasks-Commands": "1-2"}
    api("POST", f"{second}/observe-sequence", json=BATCH, headers=replay)
    api.post(f"{second}/observe", {"strings": ["c"]})
    return first, second


def _entries(api: Api, session: str) -> list[dict[str, object]]:
    page = api.get(session.replace("/sessions/", "/_dev/audit/"))
    assert page["key"] == KEY
    found: list[dict[str, object]] = page["entries"]
    return found


def test_each_entry_says_where_it_comes_from(api: Api) -> None:
    first, second = _rebuilt(api)
    told = [
        [(e["kind"], e["source"], e.get("commands"), e.get("unique_id")) for e in _entries(api, s)]
        for s in (first, second)
    ]
    assert told[0] == [
        ("observe", "delivery", "1-2", "c-1"),
        ("observe", "delivery", "1-2", None),
        ("delete", "delivery", None, None),
    ]
    assert told[1] == [
        ("observe", "replay", "1-2", "c-1"),
        ("observe", "replay", "1-2", None),
        ("observe", "delivery", None, None),
    ]


def test_a_lineage_lists_its_sessions_in_the_order_they_were_created(api: Api) -> None:
    first, second = _rebuilt(api)
    found = api.get(f"/_dev/lineage/{quote(KEY, safe='')}")
    assert found["key"] == KEY
    told = [
        (f"/sessions/{s['session_id']}", s["alive"], s["entries_total"]) for s in found["sessions"]
    ]
    assert told == [(first, False, 3), (second, True, 3)]
    assert api("GET", "/_dev/lineage/nobody").status_code == 404


def test_keys_are_listed_in_pages(api: Api) -> None:
    for number in range(3):
        api.session(metadata={"kato_tasks_key": f"k{number}"})
    api.session(metadata={"kato_tasks_key": "k0"})
    api.session(metadata={"kato_tasks_key": 5, "other": "x"})
    page = api.get("/_dev/lineage", params={"offset": 0, "limit": 2})
    lineages = [{"key": "k0", "sessions": 2}, {"key": "k1", "sessions": 1}]
    assert page == {"total": 3, "lineages": lineages}


def test_items_of_a_failed_batch_leave_no_mark_behind(api: Api) -> None:
    session = api.session()
    bad = {"observations": [{"strings": ["a"], "unique_id": "x"}, {"vectors": [[1], [1, 2]]}]}
    headers = {"X-Kato-Tasks-Source": "replay"}
    assert api("POST", f"{session}/observe-sequence", json=bad, headers=headers).status_code == 500
    assert (
        api("POST", f"{session}/observe", json={"strings": 5}, headers=headers).status_code == 422
    )
    api.sequence(session, "a")
    [entry] = api.get(session.replace("/sessions/", "/_dev/audit/"))["entries"]
    assert (entry["source"], "unique_id" in entry) == ("delivery", False)


@pytest.mark.parametrize("compact", [False, True])
def test_all_of_it_outlives_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, compact: bool
) -> None:
    before = Api(Options(state=tmp_path), Clock())
    sessions = _rebuilt(before)
    told = [_entries(before, session) for session in sessions]
    lineage = before.get(f"/_dev/lineage/{quote(KEY)}")
    before.engine.close()
    if compact:
        monkeypatch.setattr(engine_module, "COMPACT_AFTER", 1)
        Api(Options(state=tmp_path), Clock()).engine.close()
    after = Api(Options(state=tmp_path), Clock())
    assert [_entries(after, session) for session in sessions] == told
    assert after.get(f"/_dev/lineage/{quote(KEY)}") == lineage
    after.engine.close()
