"""What was applied, in order."""

from collections.abc import Callable

from devserver_api import START, Api


def test_items_of_one_batch_share_the_number_of_their_call(api: Api) -> None:
    session = api.session()
    api.sequence(session, "ba", "c", learn_at_end=True)
    api.post(f"{session}/observe", {"strings": ["d"], "emotives": {"joy": 1}})
    page = api.get(session.replace("/sessions/", "/_dev/audit/"))
    entries = page["entries"]
    assert [(e["seq"], e["call"], e["kind"]) for e in entries] == [
        (1, 2, "observe"),
        (2, 2, "observe"),
        (3, 2, "learn"),
        (4, 3, "observe"),
    ]
    assert entries[0]["event"] == ["a", "b"]
    assert entries[0]["at"] == START / 1_000_000
    assert entries[2]["pattern"].startswith("PTRN|")
    assert entries[3]["observation"] == {"emotives": {"joy": 1.0}}


def test_the_audit_outlives_its_session_and_is_paged(api: Api) -> None:
    session = api.session()
    api.sequence(session, "a", "b", "c")
    api("DELETE", session)
    path = session.replace("/sessions/", "/_dev/audit/")
    page = api.get(path, params={"offset": 2, "limit": 2})
    assert page["total"] == 4
    assert [(e["seq"], e["kind"]) for e in page["entries"]] == [(3, "observe"), (4, "delete")]
    [listed] = api.get("/_dev/sessions")["sessions"]
    assert (listed["alive"], listed["applied"]) == (False, 4)


def test_a_session_that_never_was_has_no_audit(api: Api) -> None:
    answer = api("GET", "/_dev/audit/nope")
    assert answer.status_code == 404
    assert "nope" in answer.json()["detail"]


def test_a_failed_batch_is_not_in_the_audit_but_its_learns_are(api: Api) -> None:
    session = api.session()
    body = {
        "observations": [{"strings": ["a", "b"]}, {"vectors": [[1], [1, 2]]}],
        "learn_after_each": True,
    }
    api("POST", f"{session}/observe-sequence", json=body)
    page = api.get(session.replace("/sessions/", "/_dev/audit/"))
    assert [entry["kind"] for entry in page["entries"]] == ["learn"]


def test_without_audit_only_counts_are_kept(make_api: Callable[..., Api]) -> None:
    api = make_api(audit=False)
    session = api.session()
    api.sequence(session, "a", "b")
    assert api.get(session.replace("/sessions/", "/_dev/audit/"))["total"] == 0
    stats = api.get("/_dev/stats")
    assert (stats["observations"], stats["sessions_created"]) == (2, 1)
