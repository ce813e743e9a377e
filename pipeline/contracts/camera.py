"""A camera as the site file describes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from pipeline.contracts.rule import Line, Polygon
from pipeline.contracts.values import Contract, Identifier, Seconds


class SamplingLimits(Contract):
    """How often a camera's frames may reach the models."""

    idle_fps: Annotated[float, Field(gt=0, le=60)] = 0.2
    """Heartbeat while nothing moves, frames a second."""
    active_fps: Annotated[float, Field(gt=0, le=60)] = 5.0
    """At most so many frames a second while something moves."""
    active_for: Seconds = 3.0
    """Keep the active rate so long after the last motion."""


class Camera(Contract):
    """One camera: where it is read from and what is drawn on its picture."""

    id: Identifier
    url: SecretStr
    """`rtsp://…`, `http://…`, a file's path, `usb:0`, or `synthetic:SCENE?seed=1`. May hold a password, so it
    is never logged; use `pipeline.telemetry.hide_credentials` to show it."""
    labels: tuple[Identifier, ...] = ()
    zones: dict[Identifier, Polygon] = {}
    lines: dict[Identifier, Line] = {}
    masks: tuple[Polygon, ...] = ()
    """Blacked out before a frame leaves ingest."""
    sampling: SamplingLimits = SamplingLimits()

    def matches(self, wanted: tuple[str, ...]) -> bool:
        """Whether a rule's `cameras` (ids or labels; empty for all) mean this camera."""
        return not wanted or self.id in wanted or any(label in wanted for label in self.labels)
