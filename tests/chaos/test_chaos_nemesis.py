"""How the faults of a plan happen, and what is counted."""

from __future__ import annotations

import signal
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from kato_tasks.chaos.nemesis import Nemesis
from kato_tasks.chaos.plan import Fault
from kato_tasks.stack import Event


class Stack:
    """Processes that note the signals they get."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, signal.Signals]] = []
        self.dead: set[str] = set()

    def send_signal(self, name: str, number: signal.Signals) -> bool:
        if name not in self.dead:
            self.sent.append((name, number))
        return name not in self.dead


class Server:
    """A server that notes what is armed; what has struck is set by the test."""

    def __init__(self) -> None:
        self.armed: list[str] = []
        self.fired = 0
        self.silent = False

    def arm(self, text: str) -> int | None:
        if self.silent:
            return None
        self.armed.append(text)
        self.fired = 0
        return 0

    def struck(self) -> int | None:
        return None if self.silent else self.fired

    def disarm(self) -> int | None:
        return self.arm("")

    def answers(self) -> bool:
        return not self.silent


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture
def server() -> Server:
    return Server()


def kill(name: str = "store", at: float = 1.0) -> Fault:
    return Fault(at=at, kind=f"kill_{name.partition('-')[0]}", target=name)


def stop(name: str, kind: str, lasts: float = 2.0) -> Fault:
    return Fault(at=1.0, kind=kind, target=name, lasts=lasts)


def armed(kind: str, at: float = 1.0) -> Fault:
    return Fault(at=at, kind=kind, target="devserver", lasts=2.0, text=f"{kind}:3")


def died(name: str) -> Event:
    return Event(kind="died", name=name, message="")


def test_a_fault_happens_when_it_is_due(stack: Stack, server: Server) -> None:
    nemesis = Nemesis([kill()], processes=stack, servers={"devserver": server})
    nemesis.step(0.9)
    assert stack.sent == []
    nemesis.step(1.0)
    nemesis.step(1.1)
    assert stack.sent == [("store", SIGKILL)]
    assert nemesis.struck == {"kill_store": 1}


def test_what_is_stopped_goes_on_in_time(stack: Stack, server: Server) -> None:
    nemesis = Nemesis([stop("store", "stop_store")], processes=stack, servers={"devserver": server})
    for now in (1.0, 2.9, 3.0, 3.1):
        nemesis.step(now)
    assert stack.sent == [("store", SIGSTOP), ("store", SIGCONT)]


def test_some_are_killed_when_they_go_on(stack: Stack, server: Server) -> None:
    fault = stop("worker-1", "stop_and_kill_worker")
    nemesis = Nemesis([fault], processes=stack, servers={"devserver": server})
    nemesis.step(1.0)
    nemesis.step(3.0)
    assert stack.sent == [("worker-1", SIGSTOP), ("worker-1", SIGCONT), ("worker-1", SIGKILL)]


def test_a_process_that_is_down_is_struck_when_it_is_back(stack: Stack, server: Server) -> None:
    """What has not struck is not counted; after some seconds it is left out."""
    stack.dead = {"store", "beat"}
    nemesis = Nemesis([kill("store"), kill("beat")], processes=stack, servers={"devserver": server})
    nemesis.step(1.0)
    assert nemesis.struck.total() == 0
    stack.dead = {"beat"}
    nemesis.step(2.0)
    stack.dead = set()
    nemesis.step(30.0)
    assert nemesis.struck == {"kill_store": 1}


def test_a_stopped_process_that_dies_is_not_sent_on(stack: Stack, server: Server) -> None:
    nemesis = Nemesis([stop("store", "stop_store")], processes=stack, servers={"devserver": server})
    nemesis.step(1.0)
    nemesis.note(died("store"))
    nemesis.step(9.0)
    assert stack.sent == [("store", SIGSTOP)]


def test_an_armed_fault_is_counted_as_often_as_it_struck(stack: Stack, server: Server) -> None:
    nemesis = Nemesis([armed("500")], processes=stack, servers={"devserver": server})
    nemesis.step(1.0)
    assert server.armed == ["500:3"]
    for now, fired in ((1.5, 1), (2.0, 3), (2.5, 3), (3.0, 3), (3.5, 0)):
        server.fired = fired
        nemesis.step(now)
    assert nemesis.struck == {"500": 3}
    assert server.armed == ["500:3", ""]


def test_the_next_fault_takes_the_place_of_an_armed_one(stack: Stack, server: Server) -> None:
    plan = [armed("500"), armed("503", at=2.0)]
    nemesis = Nemesis(plan, processes=stack, servers={"devserver": server})
    nemesis.step(1.0)
    server.fired = 2
    nemesis.step(2.0)
    server.fired = 1
    nemesis.step(2.5)
    assert nemesis.struck == {"500": 2, "503": 1}


def test_a_server_that_is_silent_is_armed_and_disarmed_later(stack: Stack, server: Server) -> None:
    nemesis = Nemesis([armed("500")], processes=stack, servers={"devserver": server})
    server.silent = True
    nemesis.step(1.0)
    server.silent = False
    nemesis.step(1.5)
    assert server.armed == ["500:3"]
    server.silent = True
    nemesis.step(3.5)
    server.silent = False
    nemesis.step(6.0)
    assert server.armed == ["500:3", ""]


def test_a_server_that_dies_of_a_crash_has_been_struck(stack: Stack, server: Server) -> None:
    """The count died with it. One that we have killed ourselves has not."""
    nemesis = Nemesis([armed("crash")], processes=stack, servers={"devserver": server})
    nemesis.step(1.0)
    nemesis.note(died("devserver"))
    assert nemesis.struck == {"crash": 1}
    plan = [armed("crash"), kill("devserver", at=2.0)]
    other = Nemesis(plan, processes=stack, servers={"devserver": server})
    other.step(1.0)
    other.step(2.0)
    other.note(died("devserver"))
    assert other.struck == {"kill_devserver": 1}


def test_what_was_armed_is_armed_again_after_a_restart(stack: Stack, server: Server) -> None:
    plan = [armed("500"), kill("devserver", at=2.0)]
    nemesis = Nemesis(plan, processes=stack, servers={"devserver": server})
    nemesis.step(1.0)
    server.fired = 1
    nemesis.step(2.0)
    nemesis.note(died("devserver"))
    nemesis.step(2.4)
    server.fired = 2
    nemesis.step(2.8)
    assert server.armed == ["500:3", "500:3"]
    assert nemesis.struck == {"500": 3, "kill_devserver": 1}


def test_a_stopped_server_is_not_asked(stack: Stack, server: Server) -> None:
    """It would be waited for, and sent on too late."""
    plan = [stop("devserver", "stop_devserver"), armed("500", at=1.1)]
    nemesis = Nemesis(plan, processes=stack, servers={"devserver": server})
    nemesis.step(1.0)
    nemesis.step(1.1)
    assert server.armed == []
    nemesis.step(3.0)
    assert server.armed == ["500:3"]


def test_in_the_end_all_goes_on(stack: Stack, server: Server) -> None:
    plan = [stop("store", "stop_store"), armed("500"), kill("beat", at=5.0)]
    nemesis = Nemesis(plan, processes=stack, servers={"devserver": server})
    nemesis.step(1.0)
    server.fired = 2
    nemesis.end()
    nemesis.end()
    nemesis.step(10.0)
    assert stack.sent == [("store", SIGSTOP), ("store", SIGCONT)]
    assert nemesis.struck == {"stop_store": 1, "500": 2}


def test_what_is_armed_in_the_end_is_disarmed_when_the_server_answers(
    stack: Stack, server: Server
) -> None:
    nemesis = Nemesis([], processes=stack, servers={"devserver": server})
    server.silent = True
    nemesis.heal(1.0)
    before = nemesis.calm
    server.silent = False
    nemesis.heal(2.0)
    assert (before, nemesis.calm) == (False, True)
    assert server.armed == [""]
    assert stack.sent == []


def test_a_server_that_stays_silent_is_started_anew(stack: Stack, server: Server) -> None:
    nemesis = Nemesis([], processes=stack, servers={"devserver": server})
    server.silent = True
    for now in range(1, 14):
        nemesis.heal(float(now))
    assert stack.sent == [("devserver", SIGKILL)]
    assert nemesis.healed == 1


def test_each_server_has_faults_of_its_own(stack: Stack) -> None:
    """One is armed while the other is stopped; in the end both are disarmed, and seen to."""
    blue, green = Server(), Server()
    plan = [
        Fault(at=1.0, kind="500", target="blue", lasts=2.0, text="500:3"),
        Fault(at=1.0, kind="503", target="green", lasts=2.0, text="503:3"),
        Fault(at=1.1, kind="stop_devserver", target="blue", lasts=9.0),
    ]
    nemesis = Nemesis(plan, processes=stack, servers={"blue": blue, "green": green})
    nemesis.step(1.0)
    assert (blue.armed, green.armed) == (["500:3"], ["503:3"])
    blue.fired, green.fired = 2, 1
    for now in (1.1, 1.5, 3.1):
        nemesis.step(now)
    assert nemesis.struck == {"503": 1, "stop_devserver": 1}
    assert (blue.armed, green.armed) == (["500:3"], ["503:3", ""])
    nemesis.end()
    assert nemesis.struck["500"] == 2
    blue.silent = True
    for now in range(1, 14):
        nemesis.heal(float(now))
    assert not nemesis.calm
    assert stack.sent == [("blue", SIGSTOP), ("blue", SIGCONT), ("blue", SIGKILL)]
    blue.silent = False
    nemesis.heal(20.0)
    assert nemesis.calm
