"""How a model is asked for the site's language."""

from __future__ import annotations

import pytest

from pipeline.reasoning.language import language_request


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("en", "Write every text in English."),
        ("zh", "简体中文"),
        ("zh-CN", "简体中文"),
        ("zh-Hant", "繁體中文"),
        ("zh-TW", "繁體中文"),
        ("de", "ISO code de."),
    ],
)
def test_a_language_is_asked_for_by_its_name(code: str, words: str) -> None:
    """In that language where we know it; any other by its code."""
    assert words in language_request(code)
