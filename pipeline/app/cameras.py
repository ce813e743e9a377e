"""What reads one camera and what watches over its health: the same for one machine and for the ingest of a cluster."""

from __future__ import annotations

from pipeline.clock import Clock
from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import DecisionSink
from pipeline.contracts.frame import VideoSource
from pipeline.errors import ConfigError
from pipeline.ingest.capture import PictureWish
from pipeline.ingest.health import HealthMonitor
from pipeline.ingest.pace import Pace
from pipeline.ingest.privacy import PrivacyFilter
from pipeline.ingest.source import is_live, open_supervised
from pipeline.runtime.health import HealthDesk
from pipeline.runtime.reader import Eye
from pipeline.runtime.up_gauge import UpGauge
from pipeline.sampling.thinning import Thinning
from pipeline.settings import Settings
from pipeline.site import DEFAULT_HEALTH_RULE, Site
from pipeline.telemetry import Metrics


def make_eye(
    camera: Camera,
    site: Site,
    settings: Settings,
    pace: Pace,
    desk: HealthDesk,
    *,
    decisions: DecisionSink,
    metrics: Metrics,
    clock: Clock,
) -> Eye:
    """Touches neither camera nor network. `desk` hears of the camera's health.

    `ConfigError` when a model that the camera's privacy needs cannot be had.
    """
    PrivacyFilter.of(camera, site.models.faces)  # a model that is not there is said now, not by the camera's process
    is_asked_for = site.health_rules_for(camera) not in ((), (DEFAULT_HEALTH_RULE,))
    health = HealthMonitor(camera, settings.ingest, desk, clock) if is_asked_for or may_fail(camera) else None
    wish = PictureWish(
        fps=Thinning.rate_of(camera.sampling, settings.sampling),
        jpeg_quality=settings.sampling.jpeg_quality,
        faces=site.models.faces,
    )
    gauge = UpGauge(metrics.camera_up.labels(camera.id), health)

    def open_source() -> VideoSource:
        return open_supervised(camera, settings.ingest, clock, decisions, pace=pace, listener=gauge, wish=wish)

    def ended(has_ended: bool) -> None:
        gauge.ended()
        if has_ended:
            desk.forget(camera.id)

    return Eye(open_source, gauge, health, ended)


def may_fail(camera: Camera) -> bool:
    """Whether it is a live camera, or one that can never be read: that is told as offline."""
    try:
        return is_live(camera)
    except ConfigError:
        return True
