"""The two ways a KATO server speaks: 3.10.1's own, and that of KATO's session guide.

Whatever differs between them is here and nowhere else: which routes there are, what their fields
are called, and what an answer leaves unsaid.
"""

from kato_tasks.kato.dialects.base import Dialect, NewSession, Route, Verb
from kato_tasks.kato.dialects.detect import DIALECTS, detect
from kato_tasks.kato.dialects.guide import GUIDE
from kato_tasks.kato.dialects.v3 import V3

__all__ = ["DIALECTS", "GUIDE", "V3", "Dialect", "NewSession", "Route", "Verb", "detect"]
