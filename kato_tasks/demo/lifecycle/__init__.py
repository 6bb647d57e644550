"""The demo of the life cycle: sessions that are kept alive, that end, and that sleep and wake.

:mod:`.cast` says who takes part, :mod:`.running` waits and compares, by :mod:`.mind` what a server
remembers, and by :mod:`.ledger` what it was given.
"""

from kato_tasks.demo.lifecycle.cast import VARIABLES
from kato_tasks.demo.lifecycle.report import LifecycleReport, Wanted
from kato_tasks.demo.lifecycle.running import run_lifecycle

__all__ = ["VARIABLES", "LifecycleReport", "Wanted", "run_lifecycle"]
