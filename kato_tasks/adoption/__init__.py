"""Sessions that somebody else has made at a KATO server become ours, and live on as they are.

Nothing is sent to them: they are read, and registered with a journal of what they remember.
"""

from kato_tasks.adoption.adopter import Adopter
from kato_tasks.adoption.asking import Named, Request, make_request, read_names
from kato_tasks.adoption.telling import Fate, Outcome, Report

__all__ = [
    "Adopter",
    "Fate",
    "Named",
    "Outcome",
    "Report",
    "Request",
    "make_request",
    "read_names",
]
