"""The demo: real events through the whole stack, and proof that they arrived."""

from kato_tasks.demo.checking import Difference, compare
from kato_tasks.demo.report import Forecast, Report
from kato_tasks.demo.running import FORECAST_NODE, run_demo
from kato_tasks.demo.sample import write_clickstream

__all__ = [
    "FORECAST_NODE",
    "Difference",
    "Forecast",
    "Report",
    "compare",
    "run_demo",
    "write_clickstream",
]
