"""Why one attempt to tell a channel failed, in words that hold neither its address nor its secrets."""

from __future__ import annotations

from pipeline.errors import TransientError


class DeliveryError(TransientError):
    """One attempt failed. Every failure is retried: even a misconfigured receiver may be mended in time."""

    def __init__(
        self,
        message: str,
        retry_after_seconds: float | None = None,
        needs_mending: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds, needs_mending, status)
        self.message = message
        self.retry_after_seconds = retry_after_seconds
        """How long the receiver asked to be left alone."""
        self.needs_mending = needs_mending
        """A person must change something first, here or at the receiver: retried at long intervals."""
        self.status = status
        """HTTP status, when there was an answer."""

    def __str__(self) -> str:
        return self.message
