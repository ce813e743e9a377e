"""`EvidenceStore` on any file system fsspec knows: a folder, `memory://`, `s3://…`."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pipeline.errors import ConfigError, InvalidMessage, TransientError
from pipeline.telemetry import hide_credentials

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,200})*")
"""No part begins with a dot: no way up, and room for hidden files that are still being written."""
_MAX_KEY_LENGTH = 900
"""Object stores allow 1,024 bytes, prefix included."""


class FsspecEvidenceStore:
    """Bytes by key under one URL or folder."""

    def __init__(self, url: str) -> None:
        """Raises `ConfigError` for a URL without a driver and a folder that cannot be made."""
        self._shown = hide_credentials(url)
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise ConfigError(f"evidence cannot be kept at {self._shown}: {error}") from error
        self._is_local = isinstance(self._files, LocalFileSystem)
        if self._is_local:
            self._make_root()

    def put(self, key: str, data: bytes) -> str:
        """Store under `key`, whole or not at all; gives back the key."""
        path = self._path(key)
        with self._faults(key):
            if self._is_local:
                try:
                    _write_whole(Path(path), data)
                except FileNotFoundError:  # `delete_folder` took the empty folder away again
                    _write_whole(Path(path), data)
            else:
                self._files.pipe_file(path, data)
        return key

    def get(self, key: str) -> bytes:
        """The bytes under `key`."""
        with self._faults(key):
            return bytes(self._files.cat_file(self._path(key)))

    def delete(self, key: str) -> bool:
        """Remove; False when it was not there."""
        path = self._path(key)
        with self._faults(key):
            try:
                self._files.info(path)  # S3 says nothing when what it removes was not there.
                self._files.rm_file(path)
            except FileNotFoundError:
                return False
        return True

    def folders(self, folder: str = "") -> list[str]:
        """The folders right under one, by name; none for a folder that is not there."""
        path = self._path(folder) if folder else self._root
        with self._faults(folder):
            self._files.invalidate_cache(path)
            try:
                found = self._files.ls(path, detail=True)
            except FileNotFoundError:
                return []
        return sorted(item["name"].rstrip("/").rpartition("/")[2] for item in found if item["type"] == "directory")

    def delete_folder(self, folder: str) -> list[str]:
        """Remove a folder with all that is in it, and on a disk the folders above it that are empty then."""
        path = self._path(folder)
        with self._faults(folder):
            self._files.invalidate_cache(path)
            files = self._files.find(path)
            with suppress(FileNotFoundError):
                self._files.rm(path, recursive=True)
            if self._is_local:
                _remove_empty(Path(path).parent, Path(self._root))
        return [file.rpartition("/")[2] for file in files]

    def locate(self, key: str) -> str:
        """A path or URL a person can open."""
        path = self._path(key)
        return path if self._is_local else str(self._files.unstrip_protocol(path))

    def _path(self, key: str) -> str:
        if len(key) > _MAX_KEY_LENGTH or not _KEY.fullmatch(key):
            raise InvalidMessage(f"expected an evidence key such as camera/2026-01-31/id/clip.mp4, got {key[:200]!r}")
        return f"{self._root.rstrip('/')}/{key}"

    def _make_root(self) -> None:
        try:
            Path(self._root).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make the evidence folder {self._shown}: {error.strerror}") from error

    @contextmanager
    def _faults(self, key: str) -> Iterator[None]:
        try:
            yield
        except (InvalidMessage, TransientError):
            raise
        except FileNotFoundError as error:
            raise InvalidMessage(f"no evidence under {key!r} in {self._shown}") from error
        except Exception as error:
            raise TransientError(f"evidence in {self._shown} cannot now: {hide_credentials(str(error))}") from error


def _write_whole(path: Path, data: bytes) -> None:
    """Write aside, sync, rename: after a crash or power loss there is the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_empty(folder: Path, root: Path) -> None:
    """This folder and those above it, below `root`, as long as they are empty."""
    while folder != root and root in folder.parents:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # not empty
            return
        folder = folder.parent
