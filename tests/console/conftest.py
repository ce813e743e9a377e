"""Databases for this folder's tests."""

from tests.support.store import database, empty_url, migrated_url, postgres, sqlite_database

__all__ = ["database", "empty_url", "migrated_url", "postgres", "sqlite_database"]
