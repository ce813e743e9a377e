"""Who is in the middle of which conversation: a bounded number, each one person's own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from pipeline.contracts.chat import ChatModel
from pipeline.errors import Overloaded
from pipeline.search.archive import Archive
from pipeline.search.ask import Call, Dialogue, Reply
from pipeline.search.toolbox import Toolbox

_MOST_KEPT = 64
_MOST_AT_ONCE = 4
"""A model answers for minutes: more only wait for one another."""


class _Talk:
    """A dialogue, and who listens to its look-ups now."""

    def __init__(self, model: ChatModel, archive: Archive) -> None:
        self.turn = threading.Lock()
        self.listener: Callable[[Call], None] = lambda _call: None
        self.dialogue = Dialogue(model, Toolbox(archive), archive, on_call=lambda call: self.listener(call))


class Conversations:
    """Thread-safe. The longest unused is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._talks: OrderedDict[tuple[str, str], _Talk] = OrderedDict()
        self._room = threading.BoundedSemaphore(_MOST_AT_ONCE)

    def ask(
        self,
        who: str,
        conversation: str,
        question: str,
        model: ChatModel,
        archive: Callable[[], Archive],
        on_call: Callable[[Call], None],
    ) -> Reply:
        """The answer; `Overloaded` when too many are being answered, or this conversation's last one still is."""
        talk = self._talk(who, conversation, model, archive)
        if not talk.turn.acquire(blocking=False):
            raise Overloaded("the question before is still being answered: wait for it")
        try:
            if not self._room.acquire(blocking=False):
                raise Overloaded("too many questions are being answered: ask again in a while")
            try:
                talk.listener = on_call
                return talk.dialogue.ask(question)
            finally:
                self._room.release()
        finally:
            talk.turn.release()

    def _talk(self, who: str, conversation: str, model: ChatModel, archive: Callable[[], Archive]) -> _Talk:
        if not conversation:
            return _Talk(model, archive())
        with self._lock:
            talk = self._talks.pop((who, conversation), None) or _Talk(model, archive())
            self._talks[(who, conversation)] = talk
            while len(self._talks) > _MOST_KEPT:
                self._talks.popitem(last=False)
        return talk
