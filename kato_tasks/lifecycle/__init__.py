"""Keeps sessions alive, puts idle ones to sleep, and ends what is over.

Of what is due (:mod:`.rounds`) :mod:`.care` claims each session as a delivery does;
:mod:`.refresh` and :mod:`.idle` say what is to be done; :mod:`.giving_back` notes it. :mod:`.until`
is for callers who want a session extended before they go on.
"""

from kato_tasks.lifecycle.care import Caretaker
from kato_tasks.lifecycle.giving_back import Care
from kato_tasks.lifecycle.rounds import look_after
from kato_tasks.lifecycle.until import extend_until

__all__ = ["Care", "Caretaker", "extend_until", "look_after"]
