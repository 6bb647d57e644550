"""The whole stack on one machine: what runs, on which ports, and where others find it."""

from kato_tasks.local.plan import Plan, Ports, devserver_process, make_plan
from kato_tasks.local.running import LocalStack, find_settings, use_running_stack
from kato_tasks.local.variables import set_variables

__all__ = [
    "LocalStack",
    "Plan",
    "Ports",
    "devserver_process",
    "find_settings",
    "make_plan",
    "set_variables",
    "use_running_stack",
]
