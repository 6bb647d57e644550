"""How ``kato-tasks up`` is stopped."""

from __future__ import annotations

import signal
import threading

import pytest

from kato_tasks.cli.up import _Stop, _Wish


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


def _signal_while_locked(stop: _Stop) -> None:
    with stop.wanted._cond:  # type: ignore[attr-defined] # noqa: SLF001 - as Event.wait holds it
        stop(signal.SIGINT, None)
