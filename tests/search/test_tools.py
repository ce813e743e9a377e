"""What each tool answers, and what it says of a wrong call."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import jsonschema
import numpy as np
import pytest

from pipeline.app.stores import Stores
from pipeline.clock import SystemClock
from pipeline.contracts.candidate import Fact, KeyFrame
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange
from pipeline.contracts.values import pack_vector
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.jpeg import size_of
from pipeline.search.archive import Archive
from pipeline.search.found import MAX_CHARACTERS, Found, cite, numbered_frames
from pipeline.search.toolbox import Toolbox
from tests.support.archive import BAG, ENTRY, ColourWords, archive_of, seconds
from tests.support.cli import incident

EVENING = {"from": "2026-07-10T22:00", "to": "2026-07-10T23:00"}


def call(archive: Archive, name: str, **arguments: Any) -> Found:
    return Toolbox(archive).call(name, json.dumps(arguments))


def commit(stores: Stores, seen: Incident) -> Incident:
    kept = seen.model_copy(update={"last_change": 1})
    change = IncidentChange(sequence=1, kind=ChangeKind.UNVERIFIED, at=seen.opened_at, incident=kept)
    assert stores.incidents.commit(change, [])
    return kept


def with_embedding(seen: Incident, vector: list[float]) -> Incident:
    changes = {"embedding": pack_vector(np.array(vector, np.float32)), "models": {"encoder": "colours"}}
    return seen.model_copy(update={"candidate": seen.candidate.model_copy(update=changes)})


def test_every_schema_is_closed_and_takes_an_empty_word_for_what_is_not_given(archive: Archive) -> None:
    """Flat objects without references: what any tool-calling server understands."""
    for tool in Toolbox(archive).tools:
        jsonschema.Draft202012Validator.check_schema(dict(tool.parameters))
        text = json.dumps(tool.parameters)
        assert tool.parameters["additionalProperties"] is False
        assert not any(word in text for word in ("$ref", "anyOf", "null"))


def test_incidents_are_found_newest_first_at_the_sites_time(archive: Archive) -> None:
    """Rows hold what can be cited; the while is told as it was understood."""
    found = call(archive, "search_events", camera="yard", **EVENING)
    assert [row["cite"] for row in found.data["incidents"]] == [cite(ENTRY), cite(BAG)]
    assert found.data["incidents"][1]["opened"] == "2026-07-10T22:14:03"
    assert found.data["from"] == "2026-07-10T22:00:00"
    assert [seen.id for seen in found.incidents] == [ENTRY.id, BAG.id]


@pytest.mark.parametrize(
    ("wanted", "num_found"),
    [
        ({"text": "red BAG"}, 1),
        ({"text": "unicorn"}, 0),
        ({"rule": "entry"}, 1),
        ({"status": "confirmed"}, 1),
        ({"camera": "gate"}, 0),
        ({"from": "2026-07-10T22:15"}, 1),
    ],
    ids=str,
)
def test_filters_narrow_what_is_found(archive: Archive, wanted: dict[str, str], num_found: int) -> None:
    """Words in report and facts, rule, status, camera, time."""
    assert call(archive, "search_events", **EVENING | wanted).data["found"] == num_found


def test_words_that_match_nothing_say_how_much_there_is_without_them(archive: Archive) -> None:
    """So that the model looks again with other words."""
    assert call(archive, "search_events", text="unicorn", **EVENING).data["without_the_words"] == 2


def test_null_is_not_given_and_a_number_may_be_a_word(archive: Archive) -> None:
    """As many models write what they leave out, and numbers."""
    assert call(archive, "search_events", camera=None, limit="1", **EVENING).data["found"] == 2


def test_what_was_open_at_that_time_is_found_though_it_opened_before(stores: Stores, archive: Archive) -> None:
    """A while that begins in the middle of an incident holds it."""
    found = call(archive, "search_events", **{"from": "2026-07-10T22:14:05", "to": "2026-07-10T22:14:30"})
    assert [row["cite"] for row in found.data["incidents"]] == [cite(BAG)]


def test_one_incident_is_told_with_its_report_and_citable_frames(archive: Archive) -> None:
    """By the beginning of its id, with brackets or without."""
    told = call(archive, "get_incident", id=cite(BAG)).data
    assert told["verdict"]["explanation"] == "A man puts a red bag down and walks away."
    assert told["frames"] == [{"cite": cite(BAG, 1), "at": "2026-07-10T22:14:03", "seen": ["moving 7"], "kept": True}]
    assert told["verdict"]["seen"] == [f"red bag {cite(BAG, 1)}"]


def test_frames_nobody_sent_are_numbered_after_those_of_the_report() -> None:
    """A citation of the report and one of a tool never mean two different frames."""
    keys = tuple(KeyFrame(sequence=n, captured_at=seconds(n), role="different", score=1.0) for n in (5, 6, 7))
    assert BAG.assessment is not None
    seen = BAG.model_copy(
        update={
            "candidate": BAG.candidate.model_copy(update={"key_frames": keys}),
            "assessment": BAG.assessment.model_copy(update={"frames_sent": (7, 5)}),
        }
    )
    assert {number: key.sequence for number, key in numbered_frames(seen).items()} == {2: 5, 3: 6, 1: 7}


def test_kept_pictures_come_small_with_what_they_are_cited_by(archive: Archive) -> None:
    """The nearest in time first, reduced to what a model can be sent."""
    found = call(archive, "get_frames", camera="yard", at="2026-07-10T22:15", count=1)
    assert [picture.cite for picture in found.pictures] == [cite(ENTRY, 1)]
    assert size_of(found.pictures[0].jpeg) == (800, 450)


def test_pictures_no_longer_kept_are_counted(stores: Stores, archive: Archive) -> None:
    """Retention took them: the answer says so, and shows the next."""
    stores.evidence.delete(ENTRY.candidate.key_frames[0].uri)
    found = call(archive, "get_frames", camera="yard", at="2026-07-10T22:15", count=1)
    assert found.data["no_longer_kept"] == 1
    assert [picture.cite for picture in found.pictures] == [cite(BAG, 1)]


def test_pictures_are_found_by_words_where_an_encoder_reads_them(stores: Stores) -> None:
    """By cosine similarity to the embedding of the peak, among those of the same encoder."""
    red = commit(stores, with_embedding(incident(200.0), [1.0, 0.1]))
    commit(stores, with_embedding(incident(300.0), [0.1, 1.0]))
    found = call(archive_of(stores, words=ColourWords), "search_frames", text="a red bag", **EVENING)
    assert found.data["compared"] == 2
    assert found.data["frames"][0]["cite"] == cite(red, 1)


def test_without_such_an_encoder_it_says_that_it_cannot(archive: Archive) -> None:
    """And what to do instead."""
    found = call(archive, "search_frames", text="a red bag")
    assert found.is_error
    assert "search_events" in found.text


def test_what_looks_alike_is_found_without_any_encoder(stores: Stores, archive: Archive) -> None:
    """By the embeddings that were kept; an incident is not like itself."""
    one = commit(stores, with_embedding(incident(200.0), [1.0, 0.1]))
    two = commit(stores, with_embedding(incident(300.0), [0.9, 0.2]))
    found = call(archive, "search_frames", like=one.id[:8], **EVENING)
    assert [row["cite"] for row in found.data["frames"]] == [cite(two, 1)]


def test_tracks_are_counted_once_with_what_cannot_be_counted(archive: Archive) -> None:
    """Both incidents show track 7: one thing, and a sentence on what is missing."""
    found = call(archive, "count_tracks", camera="yard", label="moving", zone="fence", **EVENING)
    assert found.data["tracks"] == 1
    assert found.data["num_incidents"] == 2
    assert "not everything that passed" in found.data["what_this_counts"]
    assert call(archive, "count_tracks", label="car", **EVENING).data["tracks"] == 0


def test_a_camera_that_is_not_well_is_told_with_its_incident(stores: Stores, archive: Archive) -> None:
    """Open incidents about the camera itself count, not what it sees."""
    ill = incident(500.0, rule="camera-health")
    fact = Fact(kind="offline", text="no answer within 10 s", at=ill.opened_at)
    ill = ill.model_copy(update={"closed_at": None, "candidate": ill.candidate.model_copy(update={"facts": (fact,)})})
    commit(stores, ill)
    yard = call(archive, "camera_status", camera="yard").data["cameras"][0]
    assert yard["wrong"] == [f"no answer within 10 s {cite(ill)}"]


def test_why_gives_the_answer_of_the_ledger(archive: Archive) -> None:
    """As `sightline why` does."""
    found = call(archive, "why", camera="yard", at="2026-07-10T22:14", rule="entry")
    assert found.data["answers"] == ["No alert for entry: nothing moved."]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("search_evnts", "{}", "did you mean search_events"),
        ("search_events", '{"camera": "yrd"}', "did you mean yard"),
        ("search_events", '{"rule": "entri"}', "did you mean entry"),
        ("search_events", '{"limit": 99}', "limit: Input should be less than or equal to 20"),
        ("search_events", '{"when": "now"}', "it takes: from, to, camera"),
        ("search_events", "{", "Invalid JSON"),
        ("search_events", "[]", "arguments of search_events"),
        ("search_events", "x" * 5000, "at most 4,000 characters"),
        ("search_events", '{"from": "teatime"}', "expected a time such as"),
        ("search_events", '{"from": "now", "to": "1 day ago"}', "must be before"),
        ("get_incident", '{"id": "ffffffff"}', "there is no incident"),
        ("get_incident", "{}", "Field required"),
        ("search_frames", "{}", "either text or like"),
        ("confirm_incident", '{"id": "ffff", "by": "x"}', "there is no tool"),
    ],
    ids=lambda value: value[:24],
)
def test_a_wrong_call_is_told_what_was_expected(archive: Archive, name: str, arguments: str, expected: str) -> None:
    """So that the model can mend it; nothing raises."""
    found = Toolbox(archive).call(name, arguments)
    assert found.is_error
    assert expected in json.loads(found.text)["error"]


def test_answers_are_bounded(stores: Stores, archive: Archive) -> None:
    """However much there is, and however long its words, the JSON is whole, and says what was left out."""
    for number in range(25):
        commit(stores, incident(200.0 + number, fact="x" * 5000 + str(number)))
    found = call(archive, "search_events", limit=20, **EVENING)
    assert len(found.text) <= MAX_CHARACTERS
    told = json.loads(found.text)
    assert len(told["incidents"]) + told["left_out_for_length"] == 20


def test_changes_are_tools_only_where_they_are_allowed(stores: Stores, archive: Archive) -> None:
    """A review goes through what keeps incidents; the tool says what was kept."""
    recorder = IncidentRecorder(stores.incidents, lambda _change: (), SystemClock())
    toolbox = Toolbox(archive, recorder)
    found = toolbox.call("reject_incident", json.dumps({"id": BAG.id[:8], "by": "anna", "note": "her own"}))
    assert found.data["change"] == "reviewed"
    kept = stores.incidents.get(BAG.id)
    assert kept is not None
    assert kept.review is not None
    assert (kept.review.is_right, kept.review.by) == (False, "anna")
    assert toolbox.changes_something("reject_incident")
    assert not toolbox.changes_something("search_events")


def test_the_while_of_a_call_is_kept_for_the_sentence_on_coverage(archive: Archive) -> None:
    """All cameras where none was named."""
    (asked,) = call(archive, "search_events", **EVENING).asked
    assert asked.camera_ids == ("yard", "gate")
    assert asked.end - asked.start == timedelta(hours=1)
