"""What a site file was: a folder with a file for each version, read and written by `site_desk`.

A version is known by what its text hashes to; the same text again is a version of its own, later. The folder is its
owner's alone, for a site file may hold what should have been a `${SECRET}`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.console.host import KeptVersion, SiteText
from pipeline.errors import ConfigError

_MOST_KEPT = 200
"""The oldest go first; at 20 KB each, 4 MB."""


class _Kept(BaseModel):
    """A version's file."""

    model_config = ConfigDict(frozen=True)

    version: str
    at: datetime
    by: str
    """`""`: it was written by other hands, and found."""
    text: str


class Shelf:
    """The folder, made when something is first kept. Written by one at a time: see `opened`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor of the folder, to be locked by whoever writes; `ConfigError` when it cannot be made."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise self._not_kept(error) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def keep_found(self, now: SiteText, at: datetime) -> None:
        """Keep what the file says, unless that is the newest here: nobody knows who wrote it."""
        newest = next(self._newest_first(), None)
        if newest is None or newest.version != now.version:
            self.keep(now, "", at)

    def keep(self, text: SiteText, by: str, at: datetime) -> Path:
        """Keep one more, the oldest beyond the most go; its file. `ConfigError` when it cannot be written."""
        files = self._files()
        number = _number(files[0]) + 1 if files else 1
        body = _Kept(version=text.version, at=at, by=by, text=text.text).model_dump_json()
        file = self._folder / f"{number:08d}-{text.version}.json"
        try:
            descriptor = os.open(file.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(body)
            file.with_suffix(".new").replace(file)
            for old in files[_MOST_KEPT - 1 :]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise self._not_kept(error) from error
        return file

    def versions(self, now: SiteText, at: datetime) -> list[KeptVersion]:
        """Newest first, with what the file says now before them, should it not be the newest."""
        kept = [KeptVersion(one.version, one.at, one.by) for one in self._newest_first()]
        if not kept or kept[0].version != now.version:
            kept.insert(0, KeptVersion(now.version, at, ""))
        return kept

    def text(self, version: str) -> str | None:
        """Of a version; None when it is not here."""
        return next((one.text for one in self._newest_first() if one.version == version), None)

    def _newest_first(self) -> Iterator[_Kept]:
        for file in self._files():
            try:
                yield _Kept.model_validate_json(file.read_bytes())
            except (OSError, ValidationError):
                continue  # taken away meanwhile, or damaged: the others are still worth having

    def _not_kept(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"versions of the site file cannot be kept in {self._folder} ({error.strerror}): nothing was written"
        )

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.json"), key=_number, reverse=True)


def _number(file: Path) -> int:
    head = file.name.partition("-")[0]
    return int(head) if head.isdigit() else 0
