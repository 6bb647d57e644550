"""How a path is found in a dialect's routes, and what kind of request its handler takes."""

from kato_tasks.devserver.faults import Kind
from kato_tasks.devserver.routes import Handler

Methods = dict[str, Handler]

_OF_SESSION = {
    "config": Kind.CONFIG,
    "extend": Kind.EXTEND,
    "observe": Kind.OBSERVE,
    "observe-sequence": Kind.SEQUENCE,
    "learn": Kind.LEARN,
    "clear-stm": Kind.CLEAR,
    "clear_stm": Kind.CLEAR,
    "clear-all": Kind.CLEAR,
}


class Paths:
    """The routes of one dialect: fixed paths, and the places where an id stands in the path.

    Attributes:
        fixed: Methods by whole path.
        session: Methods of ``/sessions/{session_id}``.
        of_session: Methods by what follows ``/sessions/{session_id}/``.
        by_id: Methods by what stands before and after an id.
        by_key: Methods by what stands before a key, which may contain slashes.
    """

    fixed: dict[str, Methods]
    session: Methods
    of_session: dict[str, Methods]
    by_id: dict[tuple[str, str], Methods]
    by_key: dict[str, Methods]

    def find(self, path: str) -> tuple[Methods | None, str]:
        """The methods of a path, None if there are none, and the id in it, or ""."""
        if path in self.fixed:
            return self.fixed[path], ""
        if path.startswith("/sessions/"):
            _, _, session_id, *rest = path.split("/")
            if rest:
                return self.of_session.get("/".join(rest)), session_id
            return self.session if session_id else None, session_id
        for prefix, methods in self.by_key.items():
            if path.startswith(prefix):
                return methods, path.removeprefix(prefix)
        for (prefix, suffix), methods in self.by_id.items():
            if path.startswith(prefix) and path.endswith(suffix):
                target = path[len(prefix) : len(path) - len(suffix)]
                if target and "/" not in target:
                    return methods, target
        return None, ""

    def kinds(self) -> dict[Handler, Kind]:
        """The kind of each handler that is about sessions; every other one is ``other``."""
        found = {
            self.fixed["/sessions"]["POST"]: Kind.CREATE,
            self.session["DELETE"]: Kind.DELETE,
            self.session["GET"]: Kind.READ,
        }
        for name, methods in self.of_session.items():
            for method, handler in methods.items():
                read = Kind.PREDICTIONS if name == "predictions" else Kind.READ
                found[handler] = read if method == "GET" else _OF_SESSION.get(name, Kind.OTHER)
        return found
