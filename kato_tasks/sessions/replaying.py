"""What people do by hand: replay dead letters or discard them, let parked lanes go on."""

from __future__ import annotations

from typing import Final

from kato_tasks.errors import LetterGone, LetterUnreadable, SessionOver
from kato_tasks.lanes import Lanes, Wake
from kato_tasks.letters import DeadLetters
from kato_tasks.models import (
    Append,
    Command,
    DeadLetter,
    Group,
    SessionRecord,
    SessionState,
)
from kato_tasks.sessions.receipts import Receipt
from kato_tasks.sessions.sessions import Sessions

_PAGE: Final = 500


def unpark(
    lanes: Lanes, wake: Wake, key: str, *, drop: bool = False, letter: str | None = None
) -> bool:
    """Let a parked lane go on, and call a worker to it; False if it is not parked.

    See :meth:`kato_tasks.lanes.Lanes.unpark` for the arguments.
    """
    unparked = lanes.unpark(key, drop=drop, letter=letter)
    if unparked:
        wake([key])
    return unparked


class DeadLetterOffice:
    """Replays dead letters, or discards them. Nothing is done twice, however many people do it.

    Of two people of whom one replays a letter in the moment in which the other discards it, both
    may be told that it is done; its command is accepted then.

    Args:
        letters: The dead letters.
        lanes: Unparks the lanes that are parked at one.
        sessions: Take the commands of the others again.
        wake: Calls workers to lanes with work.
    """

    def __init__(
        self, *, letters: DeadLetters, lanes: Lanes, sessions: Sessions, wake: Wake
    ) -> None:
        self._letters = letters
        self._lanes = lanes
        self._sessions = sessions
        self._wake = wake

    def replay(self, letter: str, *, recreate: bool = False) -> Receipt | None:
        """Have a dead letter's command tried again; the letter goes.

        A command at which its lane is parked is tried again where it stands, so that what waits
        behind it comes after it. Any other is accepted anew, at the end of its lane: what was
        accepted after it has taken effect long since. Its ``command_id`` is made of the letter's
        id, so that a replay that is repeated, after an answer that was lost, adds nothing.

        Args:
            letter: The id of the dead letter.
            recreate: Also where its session has ended or was forgotten since: the command goes to
                the session that has the key now, or begins a new one, which is made as the ended
                one was; of a forgotten one nothing is known, and its node is the key.

        Returns:
            The receipt of the command's new place; None if it is tried again where it stands.

        Raises:
            InvalidInput: It is no id of a dead letter.
            LetterGone: There is no such letter, or somebody else has been quicker.
            LetterUnreadable: It holds no command.
            SessionOver: Its session has ended since, and ``recreate`` was not asked for.
            LaneFull: Too many commands of the session wait; the letter stays.
            StoreUnavailable: Repeating the call is safe.
        """
        found = self._find(letter)
        if found.parked:
            if not self._unpark(found, drop=False):
                raise LetterGone(letter)
            return None
        if found.command is None or not found.key:
            raise LetterUnreadable(letter)
        record = self._sessions.registry.get(found.key)
        if _is_over(found, record) and not recreate:
            raise SessionOver(found.key, letter)
        [receipt] = self._sessions.intake.accept([self._request(found, found.command, record)])
        self._letters.discard(letter)
        return receipt

    def discard(self, letter: str) -> None:
        """Put a dead letter away for good; a lane that is parked at it goes on without it.

        Raises:
            InvalidInput: It is no id of a dead letter.
            LetterGone: There is no such letter, or somebody else has been quicker.
            StoreUnavailable: Repeating the call is safe.
        """
        found = self._find(letter)
        dropped = found.parked and self._unpark(found, drop=True)
        if not dropped and not self._letters.discard(letter):
            raise LetterGone(letter)

    def ids(self, *, key: str | None = None) -> list[str]:
        """Return the ids of all dead letters there are now, the oldest first.

        In this order what is replayed is in the order in which it was accepted once.

        Args:
            key: Only those of this session.
        """
        found: list[str] = []
        while page := self._letters.list(key=key, limit=_PAGE, before=found[-1] if found else None):
            found += [letter.id for letter in page]
        return found[::-1]

    def _find(self, letter: str) -> DeadLetter:
        found = self._letters.get(letter)
        if found is None:
            raise LetterGone(letter)
        return found

    def _unpark(self, letter: DeadLetter, *, drop: bool) -> bool:
        return unpark(self._lanes, self._wake, letter.key, drop=drop, letter=letter.id)

    def _request(
        self, letter: DeadLetter, command: Command, record: SessionRecord | None
    ) -> Append:
        group = Group(
            command_id=f"replay:{letter.id}", kind=command.kind, payloads=(command.payload,)
        )
        if record is None:
            return self._sessions.session(letter.key).request((group,))
        return Append(key=letter.key, spec=record.spec, groups=(group,))


def _is_over(letter: DeadLetter, record: SessionRecord | None) -> bool:
    if record is None or record.state is SessionState.ENDED:
        return True
    # One that was created after the refusal is another session under the same key.
    return letter.at < record.created_at
