"""A camera that changes hands: what its next owner tells, and what it does not tell again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta

import pytest

from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.observation import Observation
from pipeline.contracts.rule import Rule
from pipeline.errors import StageFailed
from pipeline.events.stage import EventStage
from tests.support.events import (
    Actor,
    DecisionLog,
    TinyEncoder,
    at,
    closed,
    embedding,
    film,
    observation,
    opened,
    play,
    rule,
    stage,
)

VISIT = Actor([(0, 100, 300), (3, 400, 300), (40, 400, 300), (43, 100, 300), (50, 100, 300)])
"""In the square from 0.9 s to 42.1 s."""
WALK = Actor([(0, 100, 300), (10, 700, 300)])
"""Over the line at 4.7 s."""
INSIDE = {"object": "person", "inside": "square"}


def replayed(events: EventStage, scenes: Sequence[Observation]) -> EventStage:
    """The stage after it has seen these again; nothing is told meanwhile."""
    assert events.process(scenes, is_replay=True) == [()] * len(scenes)
    return events


def taken_over(
    wanted: Rule, scenes: Sequence[Observation], *, seen: float, again_from: float, told: int = 100
) -> tuple[list[Candidate], list[Candidate]]:
    """What a first owner told of the frames before `seen` (so many are durable), and the second after that."""
    first = play(stage(wanted), [s for s in scenes if s.pts_seconds < seen], is_finished=False)[:told]
    again = [s for s in scenes if again_from <= s.pts_seconds < seen]
    second = replayed(stage(wanted, known=first), again)
    return first, play(second, [s for s in scenes if s.pts_seconds >= seen])


def test_a_replay_tells_nothing_and_leaves_no_decisions() -> None:
    """What an earlier owner decided on opens nothing again and is not counted twice in the ledger."""
    log = DecisionLog()
    replayed(stage(rule(track=INSIDE), rule(id="off", track=INSIDE, enabled=False), sink=log), film(20, 5, VISIT))
    assert log.decisions == []


def test_what_is_open_goes_on_under_its_id() -> None:
    """Somebody stays in the zone through a takeover: one candidate, closed by the second owner when they leave."""
    first, second = taken_over(rule(track=INSIDE), film(50, 5, VISIT), seen=30, again_from=10)
    (opening,), (closing,) = opened(first), closed(second)
    assert opened(second) == []
    assert (closing.id, closing.started_at, closing.opened_at) == (opening.id, opening.started_at, opening.opened_at)
    assert abs((closing.ended_at or at(0)) - at(42.2)) < timedelta(seconds=0.5)
    assert (closing.facts[0].text, closing.facts[0].at) == (opening.facts[0].text, opening.facts[0].at)


@pytest.mark.parametrize("verb", ["enters", "leaves"])
def test_who_stands_in_a_zone_does_not_pass_its_boundary(verb: str) -> None:
    """Tracks begin anew with a takeover, wherever they are: that is no passage."""
    scenes = [s for s in film(50, 5, VISIT) if s.pts_seconds < 35]
    assert taken_over(rule(track={verb: "square"}), scenes, seen=30, again_from=10)[1] == []


def test_an_uncommitted_passage_that_was_told_is_not_told_again() -> None:
    """The frame that told it is seen again as a live one: what was told of it stands."""
    crosses, scenes = rule(track={"crosses": "line"}), film(10, 5, WALK)
    first = opened(play(stage(crosses), scenes, is_finished=False))
    second = replayed(stage(crosses, known=first), [s for s in scenes if s.pts_seconds < 4])
    told = play(second, [s for s in scenes if s.pts_seconds >= 4])
    assert [(c.id, c.state) for c in told] == [(first[0].id, CandidateState.CLOSED)]


def test_a_passage_told_from_other_frames_is_known_again() -> None:
    """The second owner samples the frames between: the same passage, seen a frame later, is not told again."""
    crosses = rule(track={"crosses": "line"})
    first = play(stage(crosses), film(10, 5, WALK), is_finished=False)
    between = film(10, 5, WALK, start=0.1)
    second = stage(crosses, known=first)
    replayed(second, [s for s in between if at(s.pts_seconds) < first[0].opened_at])
    assert opened(play(second, [s for s in between if at(s.pts_seconds) >= first[0].opened_at])) == []


def test_a_passage_seen_in_the_last_replayed_frame_is_told() -> None:
    """The first owner would have seen it on its next frame: the second one makes up for it."""
    crosses, scenes = rule(track={"crosses": "line"}), film(10, 5, WALK)
    (whole,) = opened(play(stage(crosses), scenes))
    second = replayed(stage(crosses), [s for s in scenes if s.captured_at <= whole.opened_at])
    (late,) = opened(play(second, [s for s in scenes if s.captured_at > whole.opened_at]))
    assert late.facts == whole.facts
    assert late.opened_at - whole.opened_at == timedelta(seconds=0.2)


def test_a_passage_in_the_last_frames_of_a_stream_is_told() -> None:
    """The same when nothing follows but the end of the stream."""
    crosses, scenes = rule(track={"crosses": "line"}), film(10, 5, WALK)
    (whole,) = opened(play(stage(crosses), scenes))
    second = replayed(stage(crosses), [s for s in scenes if s.captured_at <= whole.opened_at])
    assert [c.state for c in second.finish("cam")] == ["opened", "closed"]


def test_an_old_passage_that_nobody_told_stays_untold() -> None:
    """An earlier owner saw it with more of the past, and let it be."""
    crosses, scenes = rule(track={"crosses": "line"}), film(12, 5, WALK)
    second = replayed(stage(crosses), [s for s in scenes if s.pts_seconds < 9])
    assert play(second, [s for s in scenes if s.pts_seconds >= 9]) == []


def test_what_the_first_owner_did_not_publish_is_told() -> None:
    """A stay opened in frames that were not committed, and died with its owner: the next one tells it, equal."""
    scenes = film(50, 5, VISIT)
    (whole,) = opened(play(stage(rule(track=INSIDE)), scenes))
    _, second = taken_over(rule(track=INSIDE), scenes, seen=0.6, again_from=0, told=0)
    assert opened(second) == [whole]


def test_cooldowns_go_on() -> None:
    """They count from the openings that are known, also from those the database does not know yet."""
    scenes = film(50, 5, VISIT) + film(50, 5, Actor([(50, 100, 300), (53, 400, 300), (100, 400, 300)]), start=50)
    wanted = rule(track=INSIDE, cooldown="70s")
    (one, other) = opened(play(stage(wanted), scenes))
    first, second = taken_over(wanted, scenes, seen=60, again_from=40)
    assert opened(first) == [one]
    assert [c.opened_at for c in opened(second)] == [other.opened_at]


def test_a_withdrawn_alert_gives_its_cooldown_back_after_a_takeover() -> None:
    """What was rejected and never told silences nobody, whoever owns the camera."""
    wanted = rule(track=INSIDE, cooldown="70s")
    first = play(stage(wanted), film(50, 5, VISIT))
    again = film(20, 5, Actor([(50, 100, 300), (53, 400, 300), (100, 400, 300)]), start=50)
    second = stage(wanted, known=first)
    second.withdraw_alert(first[0])
    assert len(opened(play(second, again))) == 1


def test_what_is_open_and_not_seen_any_more_is_closed() -> None:
    """Nothing can be replayed, and the thing is gone: the first frames end it."""
    first = play(stage(rule(track=INSIDE)), film(20, 5, VISIT), is_finished=False)
    (closing,) = play(stage(rule(track=INSIDE), known=first), film(5, 5, start=100), is_finished=False)
    assert (closing.id, closing.state) == (first[0].id, CandidateState.CLOSED)
    assert closing.facts == first[-1].facts


def test_what_is_open_is_closed_with_a_stream_that_ends_at_once() -> None:
    """Not one frame comes after the takeover."""
    first = play(stage(rule(track=INSIDE)), film(20, 5, VISIT), is_finished=False)
    (closing,) = stage(rule(track=INSIDE), known=first).finish("cam")
    assert (closing.id, closing.state) == (first[0].id, CandidateState.CLOSED)


def test_what_has_no_heir_is_closed() -> None:
    """A rule that is gone, and an open candidate before the latest of its rule, end with the first frame."""
    (gone,) = opened(play(stage(rule(id="gone", track=INSIDE)), film(20, 5, VISIT)))
    (latest,) = opened(play(stage(rule(track=INSIDE)), film(20, 5, VISIT)))
    forgotten = latest.model_copy(update={"id": "older", "opened_at": at(-50), "started_at": at(-50)})
    second = stage(rule(track=INSIDE), known=[forgotten, latest, gone])
    told = replayed(second, film(20, 5, VISIT)).process(film(5, 5, VISIT, start=20))
    assert {c.id for answer in told if not isinstance(answer, StageFailed) for c in answer} == {"older", gone.id}


def test_what_is_closed_stays_closed() -> None:
    """Whatever is read later of a candidate that ended, in whatever order the sources are read."""
    told = play(stage(rule(track=INSIDE)), film(50, 5, VISIT))
    second = stage(rule(track=INSIDE), known=[*told, *opened(told)])
    assert second.finish("cam") == ()


def test_a_candidate_of_another_clock_silences_nobody() -> None:
    """The camera's clock was set back by a day: what it told before does not make its frames decided ones."""
    told = play(stage(rule(track=INSIDE)), film(50, 5, VISIT))
    later = [
        c.model_copy(update={name: getattr(c, name) + timedelta(days=1) for name in ("started_at", "opened_at")})
        for c in opened(told)
    ]
    second = stage(rule(track={"crosses": "line"}), known=later)
    assert len(opened(play(second, film(10, 5, WALK)))) == 1


@pytest.mark.parametrize(
    ("track", "actors"),
    [
        ({"inside": "square", "longer_than": "30s"}, [VISIT]),
        (
            {"left_behind": "20s"},
            [
                Actor([(0, 100, 300), (3, 400, 300), (7, 400, 300), (10, 100, 300)]),
                Actor([(3, 410, 300), (50, 410, 300)], track_id=8, label="suitcase", height=30),
            ],
        ),
    ],
    ids=["stay", "left behind"],
)
def test_what_lasts_longer_than_the_replay_is_one_event(track: dict[str, object], actors: list[Actor]) -> None:
    """Two seconds are seen again of a stay of thirty: since when it lasts is taken from what was told."""
    scenes = film(50, 5, *actors)
    whole = play(stage(rule(track=track)), scenes)
    first, second = taken_over(rule(track=track), scenes, seen=38, again_from=36)
    assert [c.id for c in opened(first)] == [c.id for c in opened(whole)]
    assert opened(second) == []
    assert [c.ended_at for c in closed(second)] == [c.ended_at for c in closed(whole)]


def test_words_between_threshold_and_release_stay_met() -> None:
    """What was met goes on down to `release`, also for an owner who never saw it above `threshold`."""
    scores = [(0.9, 40), (0.54, 100), (0.1, 40)]
    likeness = [one for one, number in scores for _ in range(number)]
    scenes = [observation(n / 5, embedding=embedding(value)) for n, value in enumerate(likeness)]
    words = rule(when="a red door opens", timing={"threshold": 0.6, "release": 0.2})
    first = play(stage(words, encoder=TinyEncoder("a red door opens")), scenes[:100], is_finished=False)
    second = stage(words, encoder=TinyEncoder("a red door opens"), known=first)
    told = play(replayed(second, scenes[60:100]), scenes[100:])
    assert [(c.id, c.state) for c in told] == [(first[0].id, CandidateState.CLOSED)]
    assert (told[0].ended_at or at(0)) >= at(28)


def test_silence_within_a_replay_closes_nothing_twice() -> None:
    """The camera was away for a minute before the event that is open: tracks end there, the event goes on."""
    visit = Actor([(60, 100, 300), (63, 400, 300), (90, 400, 300)])
    scenes = film(5, 5, VISIT) + film(30, 5, visit, start=60)
    whole = play(stage(rule(track=INSIDE)), scenes)
    first, second = taken_over(rule(track=INSIDE), scenes, seen=70, again_from=0)
    assert [c.id for c in opened(first)] == [c.id for c in opened(whole)]
    assert [(c.id, c.state) for c in second] == [(whole[-1].id, CandidateState.CLOSED)]


def test_every_process_tells_the_same() -> None:
    """Neither the order of hashes nor the time of day is in what is told."""
    text = (
        "import hashlib; from tests.support.takeover import courtyard, Trial; told = Trial(courtyard(40)).expected; "
        "print(len(told), hashlib.sha256(''.join(c.model_dump_json() for c in told).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert int(found.pop().split()[0]) > 10
