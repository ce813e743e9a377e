"""The three words a verdict can be, and how a token or a short answer is read as one of them.

Never by searching in free text: "no, yes …" has both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

from pipeline.contracts.assessment import Answer, sum_to_one

Word = Literal["yes", "no", "cannot"]
WORDS: tuple[Word, ...] = get_args(Word)
"""In the order of `Answer`'s fields; also the words the prompt asks for. `cannot` is one token in the
vocabularies of GPT, Qwen and Llama, where `unsure` is two."""

SPELLINGS: dict[Word, tuple[str, ...]] = {
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "cannot": ("cannot", "cannot tell", "can't tell", "unsure", "unknown", "unclear", "无法判断", "无法"),
}
_AROUND = " \t\r\n\"'`*_.,!:;。，！：「」“”▁"
_MIN_PREFIX_BYTES = 2


def word_of_answer(text: str) -> Word | None:
    """The word a whole answer is, apart from case, quotes and punctuation around it; None for any other."""
    bare = text.strip(_AROUND).casefold()
    return next((word for word, spellings in SPELLINGS.items() if bare in spellings), None)


def word_of_token(token: str) -> Word | None:
    """The word that a first token can only be the start of: `Yes`, ` No`, `can`; None for any other token."""
    bare = token.strip(_AROUND).casefold()
    if word := word_of_answer(bare):
        return word
    if len(bare.encode("utf-8", "replace")) < _MIN_PREFIX_BYTES:
        return None
    started = {word for word, spellings in SPELLINGS.items() if any(s.startswith(bare) for s in spellings)}
    return started.pop() if len(started) == 1 else None


def written_forms(word: Word) -> Iterator[str]:
    """How a model may begin to write the word: cases, with and without a space before it."""
    for spelling in SPELLINGS[word]:
        for cased in dict.fromkeys((spelling, spelling.capitalize(), spelling.upper())):
            yield cased
            yield f" {cased}"


def answer_of_weights(weights: Sequence[float], text: str) -> Answer:
    """Weights in the order of `WORDS` as probabilities."""
    yes, no, cannot_tell = sum_to_one(weights)
    return Answer(yes=yes, no=no, cannot_tell=cannot_tell, text=text)


def answer_of_word(word: Word, text: str) -> Answer:
    """For a backend without probabilities: all of it on the word chosen."""
    return answer_of_weights([float(word == each) for each in WORDS], text)
