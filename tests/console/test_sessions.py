"""Cookies, their life and the token against forged requests."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.console.sessions import (
    cookie_of,
    csrf_token,
    hashed,
    is_alive,
    is_csrf_token,
    is_to_be_touched,
    new_secret,
)
from pipeline.settings import AccessSettings
from pipeline.store.people import KeptSession
from tests.support.store import START, seconds

SETTINGS = AccessSettings(idle=100.0, session=1000.0)


def session(opened: float, seen: float) -> KeptSession:
    return KeptSession("hash", "anna", START + seconds(opened), START + seconds(seen), "")


@pytest.mark.parametrize(
    ("opened", "seen", "expected"),
    [(0, 0, True), (-50, -99, True), (-50, -100, False), (-999, 0, True), (-1000, 0, False)],
)
def test_a_session_ends_unused_or_old(opened: float, seen: float, expected: bool) -> None:
    """Idle and absolute limits, each to the second."""
    assert is_alive(session(opened, seen), START, SETTINGS) is expected


def test_a_use_is_written_down_once_a_minute() -> None:
    """Not at every request."""
    assert not is_to_be_touched(session(0, 0), START + timedelta(seconds=59))
    assert is_to_be_touched(session(0, 0), START + timedelta(seconds=60))


def test_the_cookie_is_for_this_host_over_https_and_not_for_scripts() -> None:
    """Its name makes browsers insist on it."""
    cookie = cookie_of("secret", SETTINGS)
    assert cookie["key"].startswith("__Host-")
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "lax", "/")
    assert cookie["max_age"] == 1000


def test_the_csrf_token_belongs_to_one_session_and_does_not_tell_it() -> None:
    """Another session's token is a wrong one."""
    one, other = new_secret(), new_secret()
    assert is_csrf_token(one, csrf_token(one))
    assert not is_csrf_token(one, csrf_token(other))
    assert not is_csrf_token(one, "")
    assert not is_csrf_token(one, "\ud800é")
    assert one not in csrf_token(one)


def test_a_secret_is_kept_as_a_hash_whatever_comes() -> None:
    """A cookie of a megabyte, or of no text, is hashed like any other."""
    assert len(hashed("x" * 1_000_000)) == len(hashed("\ud800")) == 64
    assert hashed("a") != hashed("b")
