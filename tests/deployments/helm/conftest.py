"""A database for this folder's tests."""

from tests.support.store import postgres

__all__ = ["postgres"]
