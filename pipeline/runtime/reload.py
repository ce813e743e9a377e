"""Follows the site file while the program runs: when it is saved, and on SIGHUP.

A file that is wrong changes nothing: its problems are logged, once, and what ran before goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from pipeline.errors import ConfigError, SiteFileError, TransientError
from pipeline.site import Site, load_site

log = structlog.get_logger()
_POLL_SECONDS = 1.0
_AFTER_A_START = ("site", "models", "settings")
"""Keys that are read when the program starts, and not again."""


class SiteFileWatch:
    """`run` is a thread's body; `ask` may be called from a signal handler."""

    def __init__(self, path: Path, site: Site, follow: Callable[[Site], None], *, polls: bool) -> None:
        """`site` is what was read from `path`; `follow` may raise `TransientError`: it is called again.

        Without `polls` the file is only read when asked.
        """
        self._path = path
        self._site = site
        self._follow = follow
        self._polls = polls
        self._text = _read(path)
        self._asked = threading.Event()
        self._is_owed = False
        """What was asked could not be followed yet."""

    def ask(self) -> None:
        """Read the file now, changed or not."""
        self._asked.set()

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.is_set():
            is_asked = self._asked.wait(_POLL_SECONDS) or self._is_owed
            self._asked.clear()
            if stop.is_set():
                return
            if is_asked or self._polls:
                is_done = self._look(is_asked=is_asked)
                self._is_owed = is_asked and not is_done

    def _look(self, *, is_asked: bool) -> bool:
        """Whether that is done with: False when it must be tried again."""
        text = _read(self._path)
        if text is None or (text == self._text and not is_asked):
            return text is not None
        try:
            site = load_site(self._path)
            self._tell_what_waits(site)
            self._follow(site)
        except TransientError as error:
            log.warning("the changed site file waits to be followed", error=str(error))
            return False
        except SiteFileError as error:
            log.error("the changed site file is wrong; what ran before goes on", problems=str(error))
        except ConfigError as error:
            log.error("the changed site file cannot be followed; what ran before goes on", error=str(error))
        else:
            self._site = site
            log.info("site file followed", file=str(self._path), cameras=len(site.cameras), rules=len(site.rules))
        self._text = text
        return True

    def _tell_what_waits(self, site: Site) -> None:
        waiting = [key for key in _AFTER_A_START if getattr(site, key) != getattr(self._site, key)]
        if waiting:
            log.warning("these keys of the site file take effect at the next start only", keys=", ".join(waiting))


def _read(path: Path) -> str | None:
    """None while it cannot be read: an editor may be in the middle of replacing it."""
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError):
        return None
