"""Servers that kill themselves, and what their state brings back."""

from pathlib import Path

import httpx
import pytest
from devserver_running import Live, arm, running

BATCH = {"observations": [{"strings": ["b", "c"]}, {"strings": ["d", "e"]}]}


def _frequency(client: httpx.Client, name: str) -> int:
    answer = client.get(f"/pattern/{name}", params={"node_id": "p"}).json()["pattern"]
    return int(answer["pattern"]["frequency"]) if answer["status"] == "okay" else 0


@pytest.mark.parametrize(
    ("fault", "name", "left"),
    [
        ("crash", "observe-sequence", [["a", "x"]]),
        ("crash_after", "observe-sequence", [["a", "x"], ["b", "c"], ["d", "e"]]),
        ("crash_in_learn", "learn", [["a", "x"]]),
    ],
)
def test_a_kill_leaves_the_session_whole_or_untouched(
    tmp_path: Path, fault: str, name: str, left: object
) -> None:
    with running("--state", str(tmp_path)) as (process, client):
        session = Live(client)
        session.observe("a", "x")
        arm(client, fault)
        with pytest.raises(httpx.TransportError):
            session.post(name, {**BATCH, "learn_after_each": fault == "crash"})
        assert process.wait(timeout=10) == -9
    with running("--state", str(tmp_path)) as (_, client):
        assert client.get(f"{session.path}/stm").json()["stm"] == left
        session.client = client
        if fault != "crash_after":
            # What was learned before the kill is not taken back (kato-api 4).
            assert [entry["kind"] for entry in session.audit()] == ["observe", "learn"]
            [pattern] = {entry.get("pattern") for entry in session.audit()[1:]}
            assert _frequency(client, str(pattern)) == 1
