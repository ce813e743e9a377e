"""API tokens."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from pipeline.console.roles import Scope
from pipeline.console.tokens import is_token_of, make_token, token_id
from pipeline.errors import ConfigError
from tests.support.store import START


def test_a_token_is_long_random_and_kept_as_a_hash() -> None:
    """256 bits; what is kept does not hold them."""
    text, kept = make_token("anna", "robot", [Scope.REVIEW, Scope.READ], START, for_seconds=60)
    assert re.fullmatch(r"sl_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", text)
    assert text.split("_", 2)[2] not in repr(kept)
    assert (kept.scopes, kept.expires_at) == (("read", "review"), START + timedelta(seconds=60))


def test_only_the_very_token_is_it() -> None:
    """The same id with another secret is none."""
    text, kept = make_token("anna", "robot", [Scope.READ], START, for_seconds=60)
    assert token_id(text) == kept.id
    assert is_token_of(text, kept)
    assert not is_token_of(f"sl_{kept.id}_guessed", kept)


@pytest.mark.parametrize("text", ["", "sl_", "sl_12", "12_34", "Bearer", "\0", "sl__x"])
def test_what_is_no_token_has_no_id(text: str) -> None:
    """And so finds nothing."""
    assert token_id(text) == ""


@pytest.mark.parametrize("for_seconds", [0, -1, 367 * 86_400])
def test_a_token_never_lasts_for_ever(for_seconds: float) -> None:
    """At most a year and a day."""
    with pytest.raises(ConfigError, match="366 days"):
        make_token("anna", "robot", [Scope.READ], START, for_seconds=for_seconds)
