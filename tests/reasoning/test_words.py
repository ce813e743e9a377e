"""Reading a token or a short answer as yes, no or cannot tell."""

from __future__ import annotations

import pytest

from pipeline.reasoning.words import word_of_answer, word_of_token


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("Yes.", "yes", id="case and full stop"),
        pytest.param('"no"', "no", id="quotes"),
        pytest.param("cannot tell", "cannot", id="two words"),
        pytest.param("是。", "yes", id="Chinese yes"),
        pytest.param("否", "no", id="Chinese no"),
        pytest.param("无法判断", "cannot", id="Chinese cannot tell"),
        pytest.param("Yes, a person climbs", None, id="free text is never searched"),
        pytest.param("not yes", None, id="a word inside others"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_only_a_whole_answer_is_a_word(text: str, word: str | None) -> None:
    """An answer counts only when it is one of the words and nothing else."""
    assert word_of_answer(text) == word


@pytest.mark.parametrize(
    ("token", "word"),
    [
        pytest.param(" Yes", "yes", id="leading space"),
        pytest.param("▁no", "no", id="SentencePiece space"),
        pytest.param("can", "cannot", id="first piece of cannot"),
        pytest.param("un", "cannot", id="first piece of unsure"),
        pytest.param("无", "cannot", id="first character in Chinese"),
        pytest.param("n", None, id="one letter begins too much"),
        pytest.param("not", None, id="another word"),
        pytest.param(" ", None, id="blank"),
        pytest.param("\ud800", None, id="half a character"),
    ],
)
def test_a_first_token_counts_only_where_it_begins_one_word(token: str, word: str | None) -> None:
    """A token counts when it can only be the start of one of the words."""
    assert word_of_token(token) == word
