"""One run per data folder, by a lock the kernel drops when its process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import ConfigError

_FILE = "lock"


class DataFolderLock:
    """Held from `acquire` (or the start of a `with`) to `release`, or to the death of the process.

    The file stays behind; it is the lock on it that counts.
    """

    def __init__(self, path: Path) -> None:
        """`path` is the data folder, which must exist."""
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; `ConfigError` when another run holds it or the folder cannot be written."""
        try:
            descriptor = os.open(self._path / _FILE, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ConfigError(f"cannot write to the data folder {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise self._refused(error, holder) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the next run in; may be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refused(self, error: OSError, holder: str) -> ConfigError:
        if isinstance(error, BlockingIOError):
            return ConfigError(
                f"the data folder {self._path} is in use by process {holder or 'unknown'}; "
                "stop that run, or give this one a data folder of its own"
            )
        return ConfigError(f"cannot lock the data folder {self._path}: {error.strerror}")

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
