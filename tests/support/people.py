"""Accounts to test with, hashed at next to no cost."""

from __future__ import annotations

from argon2 import PasswordHasher

from pipeline.clock import ManualClock
from pipeline.console.access import Access, AccessBook, new_user
from pipeline.console.passwords import Passwords
from pipeline.console.roles import Role, Scope
from pipeline.console.tokens import make_token
from pipeline.settings import AccessSettings
from pipeline.store.database import Database
from pipeline.store.people import SqlPeople

LABELS = {"yard": ("outdoors",), "gate": ("outdoors",), "vault": ("secret",)}
PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def cheap_passwords() -> Passwords:
    return Passwords(CHEAP)


def access() -> Access:
    return Access(lambda camera_id: LABELS.get(camera_id, ()))


def access_book(database: Database, clock: ManualClock) -> AccessBook:
    """Without accounts, over three cameras in two groups."""
    return AccessBook(SqlPeople(database), access(), clock, AccessSettings(), cheap_passwords())


def add_user(book: AccessBook, name: str = "anna", **roles: Role) -> None:
    """An account with `PASSWORD`; `every` stands for all cameras."""
    groups = {group.replace("every", "*"): role for group, role in (roles or {"every": Role.VIEWER}).items()}
    assert book.people.add_user(new_user(name, groups, CHEAP.hash(PASSWORD), book.clock.now()))


def add_token(book: AccessBook, user_name: str, *scopes: Scope, for_seconds: float = 86_400) -> str:
    """A token of the account, in full."""
    text, kept = make_token(user_name, "robot", scopes, book.clock.now(), for_seconds=for_seconds)
    book.people.add_token(kept)
    return text
