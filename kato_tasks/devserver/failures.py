"""How an operation says that it did not do what it was asked."""

from typing import Any, TypeAlias

Json: TypeAlias = Any  # a decoded JSON value: its shape is only known after validation


class ServerError(Exception):
    """An unhandled exception of the real server: 500 and a closed connection (kato-api 1)."""


class Refused(Exception):
    """A request the server answers with a status of its own.

    Attributes:
        status: The HTTP status.
        body: The JSON body of the answer.
    """

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def not_found(session_id: str) -> Refused:
    """The 404 the real server's middleware gives for an unknown session (kato-api 1)."""
    message = f"Session {session_id} not found or expired"
    error = {"code": "SESSION_NOT_FOUND", "message": message, "session_id": session_id}
    return Refused(404, {"error": error})
