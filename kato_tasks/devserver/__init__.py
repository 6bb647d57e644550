"""A look-alike of the KATO 3.10.1 server, for development and tests.

It shares no code with the client side of this project, so that each checks the other.
"""

from kato_tasks.devserver.app import create_app
from kato_tasks.devserver.options import Options
from kato_tasks.devserver.serve import serve
from kato_tasks.devserver.store import StateInUseError

__all__ = ["Options", "StateInUseError", "create_app", "serve"]
