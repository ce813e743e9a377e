"""A camera as the site file describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator

from pipeline.contracts.assessment import SceneCard
from pipeline.contracts.health import DEBOUNCE_SECONDS, Condition
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
    fallback_url: SecretStr | None = None
    """Read while `url` does not answer: the main stream of a camera whose sub-stream is `url`."""
    verify_tls: bool = True
    """Refuse a `rtsps://` or `https://` camera whose certificate nobody vouches for. Many cameras sign their own:
    `false` reads them encrypted, from whoever answers."""
    decode: Literal["auto", "all", "keyframes"] = "auto"
    """Which frames of a live stream are decoded. `auto`: key frames alone where they come often enough for
    `sampling`, else all; `keyframes`: whatever their pace."""
    labels: tuple[Identifier, ...] = ()
    zones: dict[Identifier, Polygon] = {}
    lines: dict[Identifier, Line] = {}
    masks: tuple[Polygon, ...] = ()
    """Blacked out before a frame leaves ingest."""
    blur_faces: bool = False
    """Faces are made unrecognisable before a frame leaves ingest; needs `models.faces`."""
    sampling: SamplingLimits = SamplingLimits()
    health: dict[Condition, Seconds | Literal["off"]] = {}
    """How long a condition must last before it is told, or `off`; the rest keep their defaults."""
    scene: SceneCard | None = None
    """What it looks at, for the model that judges; `sightline cameras describe` makes one to start from."""

    @field_validator("health", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        """YAML 1.1 reads a bare `off` as false."""
        return (
            {key: "off" if item is False else item for key, item in value.items()} if isinstance(value, dict) else value
        )

    def debounce_seconds(self, condition: Condition) -> float | None:
        """How long a condition must last before it is told; None when it never is."""
        given = self.health.get(condition, DEBOUNCE_SECONDS[condition])
        return None if given == "off" else given

    def matches(self, wanted: tuple[str, ...]) -> bool:
        """Whether a rule's `cameras` (ids or labels; empty for all) mean this camera."""
        return not wanted or self.id in wanted or any(label in wanted for label in self.labels)
