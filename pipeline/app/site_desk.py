"""The site file's desk: looked at, checked, edited, written with its versions kept, and tried before it is written.

In: the file's path, and the settings that say where data is kept. `open_desk(site_path, settings)` is all that a part
of the program needs; a file that cannot be written here (a mounted ConfigMap) is read, checked and tried all the same,
and saving says so. The file is followed by whoever runs it (`runtime/reload.py`); nothing is told to anybody from here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.app import site_edit
from pipeline.app.backtest_child import Child
from pipeline.app.site_versions import Shelf
from pipeline.clock import Clock, SystemClock
from pipeline.console.host import DrawnCamera, KeptVersion, Shape, SiteText
from pipeline.errors import ConfigError, Conflict, InvalidMessage, SiteFileError, SiteProblem, TransientError
from pipeline.events.wording import remarks
from pipeline.settings import Settings
from pipeline.site import read_draft
from pipeline.site_document import Document

_VERSIONS_FOLDER = "site-versions"


def open_desk(site_path: Path, settings: Settings, clock: Clock | None = None) -> FileDesk:
    """The desk of the file at `site_path`. Opens and makes nothing yet; `settings` are those the program runs with."""
    data_dir = settings.data_dir.absolute()
    shelf = Shelf(data_dir / _VERSIONS_FOLDER)
    return FileDesk(site_path, shelf, Child(site_path.absolute(), data_dir), clock or SystemClock())


class FileDesk:
    """`SiteDesk` over a file. Several processes may have one of the same file."""

    def __init__(self, path: Path, shelf: Shelf, child: Child, clock: Clock) -> None:
        self._path = path.absolute()
        self._shelf = shelf
        self._child = child
        self._clock = clock
        self._lock = threading.Lock()

    def read(self) -> SiteText:
        """As it stands; `TransientError` when it cannot be read now."""
        try:
            text = self._path.read_bytes().decode()  # line ends as they are
        except (OSError, UnicodeDecodeError) as error:
            raise TransientError(f"cannot read the site file {self._path}: {error}") from error
        return SiteText(text, version_of(text))

    def unwritable(self) -> str:
        """Why it cannot be written here, for a person; `""` where it can, as far as can be told before."""
        can_write = os.access(self._path.resolve().parent, os.W_OK)
        return "" if can_write else _unwritable(self._path, "its folder is read-only")

    def problems(self, text: str) -> Sequence[SiteProblem]:
        """What is wrong with this text; none when it could be used. Touches neither network nor models."""
        try:
            read_draft(text, self._path)
        except SiteFileError as error:
            return error.problems
        return ()

    def remarks(self, text: str) -> Sequence[SiteProblem]:
        """Which words of its rules an encoder cannot score, with what to write instead; of a text that is right."""
        site = read_draft(text, self._path)
        found = [
            (index, remark)
            for index, rule in enumerate(site.rules)
            if rule.enabled and rule.when is not None
            for remark in remarks(rule, model_id=site.models.encoder, others=site.rules[:index])
        ]
        lines = Document(text, str(self._path), os.environ) if found else None
        return [
            lines.without_secrets(
                SiteProblem(
                    lines.line(("rules", index, "when")), site.rules[index].id, remark.problem, remark.suggestion
                )
            )
            for index, remark in found
            if lines
        ]

    def save(self, text: str, version: str, by: str) -> SiteText:
        """Write it whole in the place of `version`, which is kept.

        Raises:
            SiteFileError: it is wrong; nothing was written.
            Conflict: somebody else has written since `version`; nothing was written.
            ConfigError: the file cannot be written here.
        """
        read_draft(text, self._path)
        if refusal := self.unwritable():
            raise ConfigError(refusal)
        with self._alone():
            before = self.read()
            if before.version != version:
                raise Conflict("the site file has changed since you have read it: look at what it says now")
            if text == before.text:
                return before
            self._shelf.keep_found(before, self._written_at())
            after = SiteText(text, version_of(text))
            kept = self._shelf.keep(after, by, self._clock.now())
            try:
                self._replace(text)
            except ConfigError:
                kept.unlink()
                raise
        return after

    def switch(self, rule_id: str, by: str, *, is_on: bool) -> SiteText:
        """Switch a rule on or off, everything else as it stands; raises as `save`, `ConfigError` for no such rule."""
        read = self.read()
        return self.save(site_edit.switched(read.text, rule_id, is_on=is_on), read.version, by)

    def drawn(self, text: str) -> Sequence[DrawnCamera]:
        """What this text draws on pictures, as far as it can be read; raises nothing."""
        return site_edit.drawn(text)

    def draw(self, text: str, camera_id: str, shape: Shape) -> str:
        """This text with a zone, line or mask put, moved or (without points) taken out; nothing is written.

        `ConfigError` when the text is not one in which that can be done.
        """
        return site_edit.with_shape(text, camera_id, shape)

    def versions(self) -> Sequence[KeptVersion]:
        """What the file was and is, newest first; the first is what it is now."""
        return self._shelf.versions(self.read(), self._written_at())

    def version(self, version: str) -> SiteText:
        """One of them; `InvalidMessage` when it is not kept."""
        now = self.read()
        text = now.text if version == now.version else self._shelf.text(version)
        if text is None:
            raise InvalidMessage(f"the site file's version {version!r} is not kept")
        return SiteText(text, version)

    def backtest(self, text: str, rule_ids: Sequence[str], since: str, until: str) -> Generator[Mapping[str, Any]]:
        """Try these rules (all, for none) of this text on kept incidents, in a process of its own that gives way.

        `SiteFileError` for a wrong text, `Overloaded` while another is being tried, `ConfigError` as the command says.
        """
        read_draft(text, self._path)
        return self._child.run(text, rule_ids, since, until)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other desk of this file writes meanwhile, here or in another process."""
        with self._lock, self._shelf.opened() as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield

    def _written_at(self) -> datetime:
        try:
            return datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        except OSError:
            return self._clock.now()

    def _replace(self, text: str) -> None:
        """At once and whole, as seen by who reads; of a link, what it points at."""
        target = self._path.resolve()
        try:
            mode = target.stat().st_mode & 0o777
            descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(text.encode())
                    os.fchmod(file.fileno(), mode)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise ConfigError(_unwritable(self._path, str(error.strerror))) from error


def version_of(text: str) -> str:
    """Changes with every change of the text."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _unwritable(path: Path, why: str) -> str:
    return (
        f"the site file {path} cannot be written here ({why}), and is as it was: copy the text to where the "
        "file comes from (in a cluster the chart's values); in a container mount its folder, writable, not it alone"
    )
