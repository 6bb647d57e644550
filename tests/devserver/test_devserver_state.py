"""What a server's state directory brings back."""

from pathlib import Path

import pytest
from devserver_api import Api, Clock

from kato_tasks.devserver import StateInUseError
from kato_tasks.devserver import engine as engine_module
from kato_tasks.devserver.options import Options


def _busy(api: Api) -> str:
    session = api.session(ttl_seconds=60)
    api.sequence(session, "ab", "c", learn_at_end=True)
    api.post(f"{session}/observe", {"strings": ["a", "b"], "vectors": [[1]], "emotives": {"j": 1}})
    api("POST", f"{session}/extend", params={"ttl_seconds": 50})
    return session


def _picture(api: Api, session: str) -> list[object]:
    audit = session.replace("/sessions/", "/_dev/audit/")
    parts = ("/stm", "/cognition-data", "/percept-data", "/config")
    found = [api.get(session + part) for part in parts]
    return [*found, api.get(audit), api.get(f"{session}/predictions")]


@pytest.mark.parametrize("compact", [False, True])
def test_everything_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, compact: bool
) -> None:
    clock = Clock()
    before = Api(Options(state=tmp_path), clock)
    session = _busy(before)
    picture = _picture(before, session)
    before.engine.close()
    if compact:
        monkeypatch.setattr(engine_module, "COMPACT_AFTER", 1)
        Api(Options(state=tmp_path), clock).engine.close()
        assert (tmp_path / "log.jsonl").read_text().startswith('["world"')
    after = Api(Options(state=tmp_path), clock)
    assert _picture(after, session) == picture
    assert after.engine.next_call() > before.engine.world.calls
    clock.advance(50)
    assert not after.exists(session), "deadlines come back too"
    after.engine.close()


def test_a_torn_last_line_is_forgotten(tmp_path: Path) -> None:
    first = Api(Options(state=tmp_path), Clock())
    session = first.session()
    first.sequence(session, "a")
    first.engine.close()
    log = tmp_path / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'[9,1795330825525410,"observe","sess')
    second = Api(Options(state=tmp_path), Clock())
    assert log.read_bytes() == whole
    second.sequence(session, "b")
    second.engine.close()
    third = Api(Options(state=tmp_path), Clock())
    assert third.get(f"{session}/stm")["stm"] == [["a"], ["b"]]
    third.engine.close()


def test_a_directory_belongs_to_one_server(tmp_path: Path) -> None:
    first = Api(Options(state=tmp_path), Clock())
    with pytest.raises(StateInUseError, match="in use by another development server"):
        Api(Options(state=tmp_path), Clock())
    first.engine.close()
    Api(Options(state=tmp_path), Clock()).engine.close()
