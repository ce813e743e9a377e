"""What is known beside pictures and rule, as words for the prompt, within a stated number of tokens.

In: scene card, policy, checklist and precedents. Out: one quoted block and its fingerprint. All of it was written by
others (operators, people who reviewed, earlier models), so all of it is data. When it is too long, this goes first: the
precedents, the least alike of them before the others; then the last of what is normal, of the questions and of the
hazards; then the end of the policy. The place goes last.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import accumulate, takewhile

from pipeline.contracts.assessment import Precedent, RequestContext
from pipeline.reasoning.prompt import quote

MAX_ITEM_CHARACTERS = 300
_POLICY_SHARE = 0.5
"""So much of the budget is kept for a long policy; it also gets what the rest leaves over."""
_ASCII_PER_TOKEN = 3
_PIECE = re.compile(r"[A-Za-z]+| +|.", re.DOTALL)

HEAD = "What is known of this place, as data; it can be out of date, and the pictures count more than it:"
PLACE, HAZARD, POLICY, QUESTION, NORMAL = "Place", "Hazard", "What matters here", "Ask yourself", "Normal here"
EARLIER = "Earlier"
_TITLES = (PLACE, POLICY, HAZARD, QUESTION, NORMAL, EARLIER)
_QUOTES = '"""'
_CUT = " […cut]"


def estimate_tokens(text: str) -> int:
    """No fewer tokens than the usual vocabularies make of prose.

    A run of letters counts one for every three begun; every digit, mark and new line one; what is not ASCII its bytes,
    as many as a vocabulary makes of Chinese that knows none of it. That is 1.3 to 1.6 times what Qwen and DeepSeek make
    of English, and 4.4 times what they make of Chinese (0.7 tokens a character): a site that writes Chinese for such
    a model may well double the budget.
    """
    return sum(map(_tokens_of, _PIECE.findall(text)))


def _tokens_of(piece: str) -> int:
    if piece[0] == " ":
        return len(piece) - 1  # one space belongs to the word after it
    if piece.isascii():
        return -(-len(piece) // _ASCII_PER_TOKEN)
    return len(piece.encode("utf-8", "replace"))


def context_text(
    context: RequestContext,
    budget_tokens: int,
    *,
    now: datetime | None = None,
    zone: tzinfo = UTC,
    rule_id: str = "",
) -> tuple[str, str]:
    """The words and their fingerprint; both empty when there is nothing to say, or no room for any of it.

    Args:
        context: Each part may be empty.
        budget_tokens: Of the whole block, by `estimate_tokens`.
        now: Of what is judged: how long ago precedents are is told from it. None tells their dates alone.
        zone: Of the times of day.
        rule_id: Of what is judged: precedents of it are `the same rule`.
    """
    block = _Block(budget_tokens)
    policy = quote(context.policy, len(context.policy))
    kept_free = min(_line_tokens(POLICY, policy), int(budget_tokens * _POLICY_SHARE)) if policy else 0
    block.left_tokens -= kept_free
    block.add(PLACE, (context.scene.place,))
    block.add(HAZARD, context.scene.hazards)
    block.add(QUESTION, context.questions)
    block.add(NORMAL, context.scene.normal)
    block.add(EARLIER, (_told(one, now, zone, rule_id) for one in context.precedents))
    block.left_tokens += kept_free
    block.add_cut(POLICY, policy)
    text = block.text
    return text, hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest() if text else ""


class _Block:
    """Lines within a budget."""

    def __init__(self, budget_tokens: int) -> None:
        self.left_tokens = budget_tokens - estimate_tokens("\n".join((HEAD, _QUOTES, "", _QUOTES)))
        self._is_full = False
        self._lines: dict[str, list[str]] = {title: [] for title in _TITLES}

    @property
    def text(self) -> str:
        """The whole block; empty without a line."""
        lines = [f"{title}: {words}" for title in _TITLES for words in self._lines[title]]
        return "\n".join((HEAD, _QUOTES, *lines, _QUOTES)) if lines else ""

    def add(self, title: str, items: Iterable[str]) -> None:
        """Each on a line, until one does not fit: nor does anything that is added after it."""
        for words in filter(None, (quote(" ".join(item.split()), MAX_ITEM_CHARACTERS) for item in items)):
            tokens = _line_tokens(title, words)
            self._is_full = self._is_full or tokens > self.left_tokens
            if self._is_full:
                return
            self.left_tokens -= tokens
            self._lines[title].append(words)

    def add_cut(self, title: str, words: str) -> None:
        """Quoted words; of those that do not fit, the beginning."""
        room = self.left_tokens - _line_tokens(title, "")
        if estimate_tokens(words) > room:
            words = _beginning(words, room - estimate_tokens(_CUT))
        if words:
            self.left_tokens -= _line_tokens(title, words)
            self._lines[title].append(words)


def _line_tokens(title: str, words: str) -> int:
    return estimate_tokens(f"{title}: {words}\n")


def _beginning(words: str, room_tokens: int) -> str:
    """Whole words of at most so many tokens and the mark of a cut; empty when there are none."""
    pieces = _PIECE.findall(words)
    ends = takewhile(lambda tokens: tokens <= room_tokens, accumulate(map(_tokens_of, pieces)))
    kept = "".join(pieces[: len(list(ends))]).rstrip()
    return f"{kept}{_CUT}" if kept else ""


def _told(one: Precedent, now: datetime | None, zone: tzinfo, rule_id: str) -> str:
    rule = "the same rule" if one.rule_id == rule_id else f"rule {one.rule_id}"
    when = f"{_ago(now - one.at)}, " if now else ""
    return f"{when}{one.at.astimezone(zone):%Y-%m-%d %H:%M}, {rule}: {one.words}; {one.outcome}"


def _ago(passed: timedelta) -> str:
    minutes = max(int(passed.total_seconds() // 60), 0)
    for number, unit in ((minutes // 1440, "day"), (minutes // 60, "hour"), (minutes, "minute")):
        if number:
            return f"{number} {unit}{'s' * (number > 1)} ago"
    return "just now"
