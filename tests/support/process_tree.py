"""What a process and all that it began take of the machine, from `/proc`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of a whole tree at one moment."""

    pss_mib: float
    """Memory, with what is shared divided among those who share it."""
    num_processes: int
    num_threads: int
    num_files: int
    """Open file descriptors."""


def footprint(root_pid: int) -> Footprint:
    """Of the process and its descendants; those that end meanwhile do not count."""
    each = [one for pid in family(root_pid) if (one := _of(pid)) is not None]
    return Footprint(
        sum(one.pss_mib for one in each),
        len(each),
        sum(one.num_threads for one in each),
        sum(one.num_files for one in each),
    )


def family(root_pid: int) -> list[int]:
    """Process ids of it and of its descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [root_pid]
    for pid in found:  # grows meanwhile
        found += children.get(pid, [])
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended meanwhile
                yield int(entry.name), int((entry / "stat").read_text().rpartition(")")[2].split()[1])


def _of(pid: int) -> Footprint | None:
    folder = _PROC / str(pid)
    try:
        pss_kib = _number(folder / "smaps_rollup", "Pss:")
        num_threads = _number(folder / "status", "Threads:")
        return Footprint(pss_kib / 1024, 1, num_threads, len(list((folder / "fd").iterdir())))
    except OSError:
        return None


def _number(file: Path, name: str) -> int:
    return next((int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith(name)), 0)
