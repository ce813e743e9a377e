"""Whether a kept picture shows what somebody looks for: a model's word on one result of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pipeline.contracts.assessment import Usage, Verdict


@dataclass(frozen=True, slots=True)
class PictureCheck:
    """What came of one look."""

    verdict: Verdict
    """Confirmed: it shows it."""
    probability: float | None
    """Of `yes`, 0 to 1; None when no model answered."""
    reason: str
    """Why this verdict, for a person."""
    model_id: str
    usage: Usage
    """Also of a look that came to nothing."""


class PictureChecks(Protocol):
    """Looks at pictures. Thread-safe; may block for as long as one request to a model may take."""

    def check(self, picture: bytes, words: str, example: bytes | None = None) -> PictureCheck:
        """Whether this JPEG shows what the words say, and the like of the example (JPEG); one of both may be empty.

        Unverified, with the reason, when the model does not answer. `ConfigError` when there is none to be had.
        """
        ...
