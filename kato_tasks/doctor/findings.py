"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    """As it should be."""
    NOTE = "note"
    """Worth knowing; nothing has to be done."""
    WARNING = "warning"
    """It works, and will not for ever."""
    ERROR = "error"
    """Data is or will be lost, or nothing works."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: How much it matters.
        subject: What it is about: an instance's name, a pair of them, the store.
        sentence: What was found, to be read after the subject.
        advice: What to do about it; ``""`` if nothing.
    """

    severity: Severity
    subject: str
    sentence: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Everything that was found.

    Attributes:
        findings: In the order they were looked for.
        unavailable: The instances, and perhaps the store, that did not answer.
        probed: True if probe sessions were made.
    """

    findings: tuple[Finding, ...]
    unavailable: tuple[str, ...]
    probed: bool

    @property
    def sound(self) -> bool:
        """True if there is neither a warning nor an error."""
        wrong = (Severity.WARNING, Severity.ERROR)
        return not any(finding.severity in wrong for finding in self.findings)
