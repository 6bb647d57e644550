"""Reads JSON Lines and puts them into lanes."""

from kato_tasks.ingest.loader import Loader, Span, Totals
from kato_tasks.ingest.reader import Event, Problem, makes_wait, open_source, read_events

__all__ = [
    "Event",
    "Loader",
    "Problem",
    "Span",
    "Totals",
    "makes_wait",
    "open_source",
    "read_events",
]
