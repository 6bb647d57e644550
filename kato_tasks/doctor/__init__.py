"""Looks at a deployment and says what is wrong with it: one sentence each, and what to do."""

from kato_tasks.doctor.examine import Context, examine
from kato_tasks.doctor.findings import Finding, Report, Severity

__all__ = ["Context", "Finding", "Report", "Severity", "examine"]
