"""Databases for this folder's tests."""

from tests.support.store import migrated_url, postgres, sqlite_database

__all__ = ["migrated_url", "postgres", "sqlite_database"]
