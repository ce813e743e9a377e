"""A database for this folder's tests."""

from tests.support.store import sqlite_database

__all__ = ["sqlite_database"]
