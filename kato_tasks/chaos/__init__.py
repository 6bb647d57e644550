"""The chaos run: a whole stack under faults for some time, and proof of what survived.

:mod:`.plan` says from a seed what strikes when, :mod:`.nemesis` has it happen, :mod:`.producing`
sends commands meanwhile and notes each acceptance, some of them through the :mod:`.proxy` that
loses answers. At the end :mod:`.reading` asks the server what it has applied, :mod:`.expecting`
says what it must have, and :mod:`.checking` and :mod:`.judging` compare the two.
"""

from kato_tasks.chaos.report import Report
from kato_tasks.chaos.running import Options, run_chaos

__all__ = ["Options", "Report", "run_chaos"]
