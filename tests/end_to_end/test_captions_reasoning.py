"""Sentences of a real vision-language model drive the whole path: film, events, verdicts, reports, incidents, webhooks.

Ped2 and Avenue as CogVLM described them (AnomalyRuler), with people's label for every frame. The words of a rule are
compared with the sentences by shared words, which finds too much; the model that judges reads the sentences of the
pictures it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from pipeline.app.local import Models, build_local
from pipeline.clock import SystemClock
from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStatus
from pipeline.ingest.pace import Pace
from pipeline.jpeg import decode
from pipeline.perception.vision import LocalVision
from pipeline.reasoning.model import load_judge
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.site import Site
from tests.support.local import settings_of, site_of, stores_of
from tests.support.reasoning import serving
from tests.support.receiver import Receiver
from tests.support.recorded_captions import Caption, RecordedSight, RecordedVlm, captions, film, number_of

pytestmark = pytest.mark.shared

SAID_BY = {
    "a person riding a bicycle": re.compile(r"\b(riding|biking|cycling)\b"),
    "a person running": re.compile(r"\b(running|jogging|rushing)\b"),
    "a person lying on the ground near the stairs": re.compile(r"\b(lying|fallen|collapsed)\b"),
}
"""The words of a rule, and of a sentence that says so; of the third nearly all sentences of Avenue share words with
it, and nearly none says so."""
WORDS = dict(zip(("riding", "running", "lying"), SAID_BY, strict=True))
"""Id of a rule to its words."""
SITE = """
models: {{vlm: "openai:{vlm}#tiny", encoder: recorded}}
cameras:
  - {{id: path, url: "{path}", sampling: {{idle_fps: 2}}}}
  - {{id: avenue, url: "{avenue}", sampling: {{idle_fps: 2}}}}
rules:
  - {{id: riding, when: {riding}, cameras: [path], cooldown: 0s,
     timing: {{threshold: 0.5, release: 0.25, {timing}}}}}
  - {{id: running, when: {running}, cameras: [avenue], cooldown: 0s,
     timing: {{threshold: 0.15, release: 0.07, {timing}}}}}
  - {{id: lying, when: {lying}, cameras: [avenue], cooldown: 0s,
     timing: {{threshold: 0.3, release: 0.15, {timing}}}}}
channels:
  guards: {{webhook: "{receiver}", allow_private: true}}
settings: {{drain_for: 120s, reasoning: {{max_frames: 16}}}}
"""
"""All pictures that there are: of more than 8 the ones that tell are sent or not by when the verdict's turn comes."""
TIMING = "smoothing: 1s, dwell: 1s, gap: 2s"


@dataclass(frozen=True)
class Run:
    """What came of it."""

    told: Sequence[Caption]
    incidents: Sequence[Incident]
    pictures: dict[str, dict[int, int]]
    """Incident to its kept frames' sequences, and which picture each is."""
    kinds: dict[str, list[str]]
    """Incident to what the receiver was told of it, in order."""

    def sentences(self, incident: Incident) -> list[str]:
        """Of the pictures that were sent to the model, in order."""
        assert incident.assessment is not None
        numbers = [self.pictures[incident.id][sequence] for sequence in incident.assessment.frames_sent]
        return [self.told[number].sentence.lower() for number in numbers]


@pytest.fixture(scope="module")
def run(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("captions")
    ped2, avenue = captions(shared, "ped2"), captions(shared, "avenue")
    told = [*ped2, *avenue]
    films = {
        "path": film(folder / "path.mp4", 0, len(ped2)),
        "avenue": film(folder / "avenue.mp4", len(ped2), len(avenue)),
    }
    with Receiver() as receiver, serving(RecordedVlm(told, SAID_BY)) as vlm:
        site = site_of(SITE.format(vlm=vlm.url, receiver=receiver.url, timing=TIMING, **WORDS, **films))
        _watch(site, folder, told)
        kinds: dict[str, list[str]] = {}
        for request in receiver.received:
            kind = request.json["type"].removeprefix("sightline.incident.")
            kinds.setdefault(request.json["subject"], []).append(kind)
    return _found(site, folder, told, kinds)


def _watch(site: Site, folder: Path, told: Sequence[Caption]) -> None:
    """As `sightline run` would, with the recorded eyes."""
    settings, clock, sight = settings_of(site, folder), SystemClock(), RecordedSight(told)
    judge = load_judge(site.models, settings.reasoning)
    assert judge is not None
    vision = LocalVision(sight, sight, settings.perception)
    models = Models(vision, VlmReasoner(judge, settings.reasoning, clock))
    with build_local(site, settings, pace=Pace(speed=0.0), clock=clock, models=models) as runtime:
        runtime.warm_up()
        runtime.run(Event())
    models.close()


def _found(site: Site, folder: Path, told: Sequence[Caption], kinds: dict[str, list[str]]) -> Run:
    stores = stores_of(site, folder)
    incidents = stores.incidents.find(IncidentFilter(limit=1000))
    pictures = {
        one.id: {key.sequence: number_of(decode(stores.evidence.get(key.uri))) for key in one.candidate.key_frames}
        for one in incidents
    }
    stores.close()
    return Run(told, incidents, pictures, kinds)


def test_none_is_lost(run: Run) -> None:
    """Each candidate is told at once, judged by the model and told again, and closed: one story each."""
    assert len(run.incidents) > 30
    assert set(run.kinds) == {one.id for one in run.incidents}
    for one in run.incidents:
        assert one.status in {IncidentStatus.CONFIRMED, IncidentStatus.REJECTED}
        assert run.kinds[one.id][0] == "provisional"
        assert sorted(run.kinds[one.id]) == sorted(["provisional", "closed", one.status.value])


def test_true_abnormal_spans_end_confirmed(run: Run) -> None:
    """Whatever rides or runs on these paths is labelled abnormal by people, and confirmed by who reads the pictures."""
    right = [one for one in run.incidents if one.rule_id in {"riding", "running"}]
    assert len(right) > 10
    for one in right:
        assert any(run.told[number].is_abnormal for number in run.pictures[one.id].values())
        assert one.status is IncidentStatus.CONFIRMED


def test_the_verdict_is_that_of_the_pictures_sent(run: Run) -> None:
    """Confirmed where the sentence of a picture that was sent says what the rule asks for, rejected elsewhere."""
    assert sum(one.status is IncidentStatus.REJECTED for one in run.incidents) > 10
    for one in run.incidents:
        said = any(SAID_BY[WORDS[one.rule_id]].search(sentence) for sentence in run.sentences(one))
        assert (one.status is IncidentStatus.CONFIRMED) is said


def test_what_is_rejected_is_never_told_as_confirmed(run: Run) -> None:
    """Its receiver hears that it was provisional, and that it is nothing; no report was written for it."""
    for one in run.incidents:
        if one.status is IncidentStatus.REJECTED:
            assert "confirmed" not in run.kinds[one.id]
            assert one.assessment is not None
            assert one.assessment.report is None


def test_reports_keep_what_the_pictures_bear_out(run: Run) -> None:
    """The person whom the detector saw stays, the dog that nobody saw goes, with what was said of it; the frames that
    are cited say what the rule asks for."""
    for one in run.incidents:
        if one.status is not IncidentStatus.CONFIRMED:
            continue
        assert one.assessment is not None
        report, grounding = one.assessment.report, one.assessment.grounding
        assert report is not None
        assert grounding is not None
        assert [element.name for element in report.elements] == ["person"]
        assert [claim.claim.split()[0] for claim in grounding.removed] == ["dog", "dog"]
        sentences = run.sentences(one)
        assert all(SAID_BY[WORDS[one.rule_id]].search(sentences[number - 1]) for number in report.frames)
