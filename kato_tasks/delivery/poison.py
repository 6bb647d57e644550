"""Tells poison from an outage: does a server take others than the command it fails at?"""

from __future__ import annotations

from typing import Final

from kato_tasks.delivery.making import drop_session, make_session
from kato_tasks.errors import KatoError
from kato_tasks.kato import KatoClient
from kato_tasks.models import SessionSpec

_HARMLESS: Final = b'{"strings":["kato-tasks"]}'
_KEY: Final = "kato-tasks:probe"


def takes_others(client: KatoClient, spec: SessionSpec) -> bool:
    """Tell whether a server takes a harmless observation in a session like this one.

    The session is one of its own, learns nothing, and is deleted.
    """
    try:
        made = make_session(client, spec, _KEY, quiet=client.can_configure)
    except KatoError:
        return False
    try:
        client.observe(made.session_id, _HARMLESS)
    except KatoError:
        return False
    finally:
        drop_session(client, made.session_id)
    return True
