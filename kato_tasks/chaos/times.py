"""How long things take in a chaos run: faults that are bounded, a stack that recovers quickly."""

from __future__ import annotations

from typing import Final

from kato_tasks.settings import PREFIX

KATO_TIMEOUT: Final = 3.0
"""Seconds after which a client gives a call up."""
SERVER_STOP_MOST: Final = 2.0
"""Longest time that the server is stopped, in seconds."""
LATENESS: Final = 1.0
"""How much longer that may take, in seconds: who sends it on may be waiting for something else."""
FREEZE: Final = 1.5
"""How long its ``freeze`` fault lasts, in seconds."""
LATE_DELAY_MOST: Final = 1.0
"""Longest time between a client's giving up and a ``late`` call's effect, in seconds."""
LONGEST_CALL_AFTER_GIVING_UP: Final = SERVER_STOP_MOST + LATENESS + FREEZE + LATE_DELAY_MOST
"""How long a call may live on at the server after its client gave up or died, in seconds: all that
can hold it there, one after the other. What waits for such calls has to wait longer."""

WORKER_STOP_LEAST: Final = 1.0
WORKER_STOP_MOST: Final = 8.0
"""How long workers are stopped, in seconds: past their leases and past their calls' time-outs."""
LONGEST_AFTER_SWITCH: Final = (
    WORKER_STOP_MOST + LATENESS + KATO_TIMEOUT + LONGEST_CALL_AFTER_GIVING_UP
)
"""How long a session may still be written to that its key has left, in seconds: by a worker that
was stopped where it was about to send, and by its call."""
STORE_STOP_MOST: Final = 2.0
"""Longest time that the store is stopped, in seconds."""

VARIABLES: Final = {
    f"{PREFIX}{name}": value
    for name, value in {
        "KATO_TIMEOUT": f"{KATO_TIMEOUT:g}",
        "KATO_CONNECT_TIMEOUT": "2",
        "STORE_TIMEOUT": "2",
        "LEASE": "5",
        "DOUBT_WAIT": f"{LONGEST_CALL_AFTER_GIVING_UP + 1:g}",
        "BREAKER_OPEN": "0.5",
        "BREAKER_MOST": "2",
        "RETRY_FIRST": "0.2",
        "RETRY_MOST": "2",
        "WAKE_GRACE": "1",
        "SWEEP_INTERVAL": "0.5",
        "BEAT_SWEEP_INTERVAL": "2",
        # A beat that was killed is started again, and waits until its own old lease has ended.
        "BEAT_LEASE": "2",
        # So short that sessions are put to sleep between two commands, and have to be extended.
        "IDLE_AFTER": "2",
        "CLEANUP_INTERVAL": "1",
        "REFRESH_INTERVAL": "2",
        # So that the refusals and patterns of a whole run are still there at its end.
        "OUTCOMES": "10000",
    }.items()
}
"""The settings of the stack, so that it recovers in seconds."""
