"""Reads JSON Lines and puts them into lanes."""

from kato_tasks.ingest.loader import Loader, Totals
from kato_tasks.ingest.reader import Event, Problem, open_source, read_events

__all__ = ["Event", "Loader", "Problem", "Totals", "open_source", "read_events"]
