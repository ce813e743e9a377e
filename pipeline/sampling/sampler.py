"""One camera's sampling: gate, budget and ring behind one call a frame.

In: every frame of the camera, as pixels or as JPEG. Out: the frames worth a model's time, untouched. Each frame
leaves a decision, so that the ledger can say why a moment was not looked at.
"""

from __future__ import annotations

from datetime import datetime

from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import EncodedFrame, Frame, Motion, SampledFrame
from pipeline.jpeg import luma_of
from pipeline.sampling.budget import SamplingBudget, Verdict
from pipeline.sampling.gate import MotionGate
from pipeline.sampling.ring import FrameRing
from pipeline.settings import SamplingSettings

_NEW_TIME_AFTER_SECONDS = 2.0
"""A camera whose clock was set back is followed after so many seconds of its new time; until then its frames
are refused, as stragglers are."""


class CameraSampler:
    """Sampling of one camera. Used by one thread; `ring` may be read by others."""

    def __init__(self, camera: Camera, settings: SamplingSettings, decisions: DecisionSink) -> None:
        self.ring = FrameRing(settings)
        self.crop_labels: tuple[str, ...] = ()
        """Goes with every frame; see `SampledFrame`. May be set by any thread."""
        self._camera = camera
        self._settings = settings
        self._decisions = decisions
        self._gate = MotionGate(settings)
        self._budget = SamplingBudget(camera.sampling)
        self._last_at: datetime | None = None
        self._behind_since: datetime | None = None

    def offer(self, frame: Frame | EncodedFrame, *, active_share: float = 1.0) -> SampledFrame | None:
        """Look at a frame; give it back when it is to be looked at by the models.

        A host that is late lowers `active_share`, 0..1: only so many of the frames that the camera's active rate
        allows are sampled then, and the ledger has the others as `overloaded`. The gate still learns from every
        frame, and the first frame and heartbeats still pass.

        `InvalidMessage` for a JPEG that is not whole or not of the frame's size; it has changed nothing then.
        """
        luma = luma_of(frame)
        if not self._is_next(frame.captured_at):
            self._record(frame, Verdict(False, "timestamp went back"), None, None)
            return None
        self._last_at = frame.captured_at
        look = self._gate.look_at(luma, frame.captured_at, frame.width, frame.height)
        # Light that changes everywhere withholds regions, but somebody may have switched it: look at it.
        has_motion = bool(look.motion.regions) or look.motion.is_global
        verdict = self._budget.decide(frame.captured_at, has_motion, active_share)
        self.ring.add(frame, must_keep=verdict.is_sampled)
        self._record_look(frame, verdict, look.motion, active_share)
        if not verdict.is_sampled:
            return None
        return SampledFrame(frame, look.motion, look.thumbnail, verdict.reason, self.crop_labels)

    def _is_next(self, captured_at: datetime) -> bool:
        if self._last_at is None or captured_at > self._last_at:
            self._behind_since = None
            return True
        if self._behind_since is None or captured_at < self._behind_since:
            self._behind_since = captured_at
        if (captured_at - self._behind_since).total_seconds() < _NEW_TIME_AFTER_SECONDS:
            return False
        self._start_afresh()
        return True

    def _start_afresh(self) -> None:
        self.ring.clear()
        self._gate = MotionGate(self._settings)
        self._budget = SamplingBudget(self._camera.sampling)
        self._behind_since = None

    def _record_look(self, frame: Frame | EncodedFrame, verdict: Verdict, motion: Motion, active_share: float) -> None:
        active_fps = self._camera.sampling.active_fps
        if verdict.reason == "over camera rate":
            self._record(frame, verdict, None, active_fps)
        elif verdict.reason == "overloaded":
            self._record(frame, verdict, None, active_fps * active_share)
        else:
            detail = "the whole picture changed" if motion.is_global else ""
            self._record(frame, verdict, motion.changed_fraction, self._settings.min_area, detail)

    def _record(
        self,
        frame: Frame | EncodedFrame,
        verdict: Verdict,
        value: float | None,
        threshold: float | None,
        detail: str = "",
    ) -> None:
        self._decisions.record(
            Decision(
                camera_id=self._camera.id,
                gate=Gate.SAMPLING,
                passed=verdict.is_sampled,
                reason=verdict.reason,
                at=frame.captured_at,
                value=value,
                threshold=threshold,
                detail=detail,
            )
        )
