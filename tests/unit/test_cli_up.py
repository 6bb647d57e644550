"""What ``kato-tasks up`` is told, and how it is stopped."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from kato_tasks.cli.main import main
from kato_tasks.cli.up import _instances, _Stop, _Wish


def test_a_signal_is_heard_whatever_it_interrupts() -> None:
    """The interrupted thread may hold the event's lock: the handler must not want it."""
    stop = _Stop()
    stop.interrupts = False
    heard = threading.Thread(target=_signal_while_locked, args=(stop,), daemon=True)
    heard.start()
    heard.join(timeout=5)
    assert not heard.is_alive()
    assert stop.wanted.wait(0)


def test_a_start_is_broken_off_and_a_second_signal_hurries() -> None:
    stop = _Stop()
    with pytest.raises(KeyboardInterrupt):
        stop(signal.SIGINT, None)
    stop.interrupts = False
    with pytest.raises(KeyboardInterrupt):
        stop(signal.SIGINT, None)


def test_a_wish_ends_the_wait_for_it() -> None:
    wish = _Wish()
    assert not wish.wait(0.01)
    threading.Timer(0.05, wish.set).start()
    assert wish.wait()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--instances", "blue,green", "--kato", "http://a"), "one of both"),
        (("--instances", "blue,blue"), "every name once"),
        (("--instances", " , "), "names with commas"),
        (("--instances", "no name"), "instance name"),
    ],
)
def test_instances_that_make_no_sense_are_refused(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a sentence, and nothing is started."""
    monkeypatch.setenv("KATO_TASKS_RUN_FILE", str(tmp_path / "run.json"))
    done = CliRunner().invoke(main, ["up", *arguments])
    assert (done.exit_code, sentence in done.output) == (2, True), done.output


def test_named_devservers_win_over_the_instances_of_the_environment() -> None:
    variables = {"KATO_TASKS_INSTANCES": "a=http://a"}
    assert _instances((), (), variables) == {"a": "http://a"}
    assert _instances((), ("blue",), variables) is None


def _signal_while_locked(stop: _Stop) -> None:
    with stop.wanted._cond:  # type: ignore[attr-defined] # noqa: SLF001 - as Event.wait holds it
        stop(signal.SIGINT, None)
