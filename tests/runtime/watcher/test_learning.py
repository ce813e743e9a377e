"""What a watcher learns goes to the database, and comes from there; reviews reach the rules of its cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.incident import Incident, IncidentFilter, Review
from pipeline.contracts.learned import LearnedKind
from pipeline.contracts.observation import Sight
from pipeline.errors import InvalidMessage
from pipeline.events.normal import NormalBank
from pipeline.incidents.lifecycle import open_incident
from tests.support.events import TinyEncoder
from tests.support.local import site_of
from tests.support.watcher import KnownIncidents, MovingVision, Stand, moved, scene_frames, until, wires

SITE = """
models: {encoder: "onnx:tiny"}
cameras: [{id: yard, url: "synthetic:yard?seed=1", sampling: {idle_fps: 2}}]
rules: [{id: lit, when: an empty yard, cooldown: 0s, alert: at_once}]
"""


class EmptyYard(MovingVision):
    """Sees the rule's words in every picture."""

    words = TinyEncoder("an empty yard")
    model_ids = {"detector": "motion", "encoder": "tiny"}

    def see(self, frames: Sequence[SampledFrame]) -> list[Sight | InvalidMessage]:
        seen = super().see(frames)
        vector = np.float32([1, 0, 0])
        return [one if isinstance(one, InvalidMessage) else replace(one, embedding=vector) for one in seen]


class Reviewed(KnownIncidents):
    """Incidents that people have judged."""

    def __init__(self) -> None:
        super().__init__()
        self.judged: list[Incident] = []

    def find(self, wanted: IncidentFilter) -> list[Incident]:
        return self.judged if wanted.is_reviewed else []


def test_a_watcher_goes_on_from_what_was_learned(tmp_path: Path) -> None:
    """Kept when it stops; the next one has watched for as long and longer."""
    first = Stand(tmp_path, site=site_of(SITE), vision=EmptyYard())
    with first.running():
        first.hand.wait_for(first.hand.give(wires(scene_frames()[:60])))
    kinds = {one.kind for one in first.learned.load("yard")}
    assert kinds == {LearnedKind.CALIBRATION, LearnedKind.NORMAL}
    second = Stand(tmp_path, site=site_of(SITE), vision=EmptyYard(), learned=first.learned)
    before = _normal(first)
    with second.running():
        second.hand.wait_for(second.hand.give(wires(moved(scene_frames()[:60], 3600))))
    assert len(_normal(second)) > 0
    assert _normal(second) != before


def test_a_review_reaches_the_rules(tmp_path: Path) -> None:
    """Looked up in the database: what was rejected is told no more, on cameras in care and those taken on later."""
    known = Reviewed()
    stand = Stand(tmp_path, site=site_of(SITE), vision=EmptyYard(), known=known)
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(scene_frames()[:60])))
    (told,) = {message.candidate.id: message.candidate for message in stand.bus.messages()}.values()
    incident = open_incident(told, told.opened_at, will_verify=False).incident
    review = Review(is_right=False, by="ann", at=told.opened_at)
    known.judged = [incident.model_copy(update={"review": review})]
    later = Stand(tmp_path, site=site_of(SITE), vision=EmptyYard(), known=known)
    service = later.service()
    service.start()
    try:
        until(lambda: bool(service._reviews.known))
        later.hand.wait_for(later.hand.give(wires(moved(scene_frames()[:60], 3600))))
    finally:
        service.stop(20.0)
    assert later.bus.opened_ids() == []


def _normal(stand: Stand) -> bytes:
    (kept,) = [one for one in stand.learned.load("yard") if one.kind is LearnedKind.NORMAL]
    NormalBank(stand.site.site.zone_info, after_seconds=86_400).load(kept.body)
    return kept.body
