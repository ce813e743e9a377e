"""Passwords: argon2id, with argon2-cffi's parameters of RFC 9106 for less memory (64 MiB, 3 passes, 4 lanes)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.errors import ConfigError, Overloaded

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 1000
_AT_ONCE = 2
_TURN_SECONDS = 3.0
"""How long one waits for a turn. Each takes 64 MiB and a core for some tens of milliseconds: a flood of sign-ins fills
neither the memory nor, by waiting, all worker threads."""


class Passwords:
    """Makes and checks hashes; thread-safe, a few at a time: `Overloaded` when it is not one's turn in time."""

    def __init__(self, hasher: PasswordHasher | None = None, turn_seconds: float = _TURN_SECONDS) -> None:
        """`hasher` for tests, with a lesser cost; one waits `turn_seconds` for a turn."""
        self._hasher = hasher or PasswordHasher()
        self._turn_seconds = turn_seconds
        self._turn = threading.BoundedSemaphore(_AT_ONCE)

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("the password of nobody")

    def hashed(self, password: str) -> str:
        """A hash to keep, its salt and cost in it; `ConfigError` for a password that is too short or too long."""
        if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
            raise ConfigError(
                f"expected a password of {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters, got {len(password)}; "
                "a few words in a row will do"
            )
        with self._a_turn():
            return self._hasher.hash(_bytes(password))

    def is_right(self, password: str, kept_hash: str) -> bool:
        """Whether it is the password; takes as long for an account that has none (`""`) as for a wrong one."""
        if len(password) > MOST_CHARACTERS:
            return False
        try:
            with self._a_turn():
                is_match = self._hasher.verify(kept_hash or self._nobody, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return is_match and bool(kept_hash)

    def is_outdated(self, kept_hash: str) -> bool:
        """Whether it was made at another cost than today's: to be made anew when the password is at hand."""
        return self._hasher.check_needs_rehash(kept_hash)

    @contextmanager
    def _a_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._turn_seconds):
            raise Overloaded("too many people are signing in at once; try again in a moment")
        try:
            yield
        finally:
            self._turn.release()


def _bytes(password: str) -> bytes:
    """UTF-8, and something for what is no text: a form may hold anything."""
    return password.encode(errors="surrogatepass")
