"""Passwords and their hashes."""

from __future__ import annotations

import threading

import pytest
from argon2 import PasswordHasher

from pipeline.console.passwords import MOST_CHARACTERS, Passwords
from pipeline.errors import ConfigError, Overloaded
from tests.support.people import PASSWORD, cheap_passwords


class Stuck(PasswordHasher):
    """Takes until it is told to go on."""

    has_begun = threading.Semaphore(0)
    may_go_on = threading.Event()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.has_begun.release()
        assert self.may_go_on.wait(60)
        return "hash"


@pytest.mark.parametrize("password", [PASSWORD, "пароль из слов", "\ud800 no text at all", "x" * MOST_CHARACTERS])
def test_the_right_password_is_right_and_no_other(password: str) -> None:
    """Whatever it is made of; case and length count."""
    passwords = cheap_passwords()
    kept = passwords.hashed(password)
    assert passwords.is_right(password, kept)
    assert not passwords.is_right(password + " ", kept)


def test_a_hash_is_argon2id_at_the_recommended_cost() -> None:
    """RFC 9106, second recommendation: 64 MiB, three passes, four lanes; no two alike."""
    passwords = Passwords()
    kept = passwords.hashed(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.is_right(PASSWORD, kept)
    assert passwords.hashed(PASSWORD) != kept


@pytest.mark.parametrize("password", ["", "short", "x" * (MOST_CHARACTERS + 1)])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    """The message holds its length, not the password."""
    with pytest.raises(ConfigError, match=f"expected a password of 12 to 1000 characters, got {len(password)}"):
        cheap_passwords().hashed(password)


@pytest.mark.parametrize("kept", ["", "no hash", "$argon2id$v=19$m=65536"])
def test_without_a_hash_no_password_is_right(kept: str) -> None:
    """An account without one, or a broken row."""
    assert not cheap_passwords().is_right("the password of nobody", kept)


def test_a_hash_of_another_cost_is_outdated() -> None:
    """It is made anew at the next sign-in."""
    assert Passwords().is_outdated(cheap_passwords().hashed(PASSWORD))
    assert not cheap_passwords().is_outdated(cheap_passwords().hashed(PASSWORD))


def test_a_flood_of_sign_ins_is_turned_away() -> None:
    """Two at a time; who cannot be served soon is told to come again."""
    passwords = Passwords(Stuck(), turn_seconds=0.01)
    waiting = [threading.Thread(target=passwords.hashed, args=(PASSWORD,)) for _ in range(2)]
    for thread in waiting:
        thread.start()
    for _ in waiting:
        Stuck.has_begun.acquire()
    with pytest.raises(Overloaded, match="too many people are signing in"):
        passwords.hashed(PASSWORD)
    Stuck.may_go_on.set()
    for thread in waiting:
        thread.join()
