"""What can go wrong, named by what the receiver does about it.

    SightlineError
    ├── ConfigError         refuse to start; the message tells the operator what to change
    │   └── SiteFileError   … with the file, the line and the nearest right name
    ├── TransientError      retry, bounded, with jitter
    ├── Overloaded          pause and offer again
    ├── InvalidMessage      set this one item aside (dead letter) and go on
    │   └── Conflict            … because somebody else was first: read again and decide again
    └── StageFailed         restart the worker

Vendor exceptions are mapped to these in their adapters, with `raise … from`. A message says what was
expected, what came, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass


class SightlineError(Exception):
    """Root of the tree; never raised itself."""


class ConfigError(SightlineError):
    """The configuration cannot work: refuse to start (exit status 2)."""


@dataclass(frozen=True)
class SiteProblem:
    """One thing wrong in a site file, in the words shown to the operator."""

    line: int
    """1-based line in the file; 0 when the problem has no single place."""
    where: str
    """Dotted path to the value, e.g. `rules[2].zone`."""
    message: str
    """What was expected, what came, what to do."""
    hint: str = ""
    """The nearest right name, or the ways out."""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.where}: {self.message}{hint}"


class SiteFileError(ConfigError):
    """The site file is refused; every problem found is listed, not only the first."""

    def __init__(self, path: str, problems: tuple[SiteProblem, ...]) -> None:
        super().__init__(path, problems)
        self.path = path
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(f"{self.path}: {problem}" for problem in self.problems)


class TransientError(SightlineError):
    """It may work later: retry, bounded, with jitter."""


class Overloaded(SightlineError):  # noqa: N818 - the word says what the receiver does: pause and offer again
    """No room now: pause, then offer the same item again."""


class InvalidMessage(SightlineError):  # noqa: N818 - as above: it is set aside, not handled as a failure
    """This one item can never be processed: dead-letter it and go on."""


class Conflict(InvalidMessage):
    """What was read is no longer so, for somebody else changed it first: read again and decide again."""


class StageFailed(SightlineError):  # noqa: N818 - as above: restart the worker
    """The worker's state is in doubt: restart it."""
