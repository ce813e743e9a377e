"""Where a page ended, as text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.console.cursors import read_cursor, write_cursor
from pipeline.errors import ConfigError

AT = datetime(2026, 3, 1, 22, 0, 0, 123456, tzinfo=UTC)


def test_a_cursor_comes_back_to_the_microsecond() -> None:
    """What a page ended with is where the next begins."""
    assert read_cursor(write_cursor(AT, "3f2a")) == (AT, "3f2a")


@pytest.mark.parametrize(
    "text", ["", "x", "é", "W10", "WzEsMl0", "bnVsbA", "A" * 10_000, write_cursor(AT, "3f2a")[:-6]]
)
def test_a_made_up_cursor_is_refused_in_words(text: str) -> None:
    """It says where cursors come from."""
    with pytest.raises(ConfigError, match="as the page before gave it"):
        read_cursor(text)
