"""The detectors on a few of the real clips, by the benchmark's own script in its short form."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import health_detectors as bench

CLIPS = ("dvrscan_brightness_change.avi", "intel_people-detection.mp4")


@pytest.mark.shared
@pytest.mark.parametrize("clip", CLIPS)
def test_altered_clips_are_noticed_and_untouched_ones_are_silent(shared: Path, clip: str) -> None:
    """Every fault is told as what it is, and nothing else is told of any picture."""
    path = shared / "videos" / clip
    wanted = {"frozen, exact", "black", "covered, dark cloth", "shifted by 10%", "blurred, 5 px", "lorry over half"}

    outcomes = bench.run([path], [case for case in bench.cases() if case.name in wanted], untouched_seconds=120)

    assert [outcome.others for outcome in outcomes] == [[]] * len(outcomes)
    assert [outcome.case for outcome in outcomes if outcome.expected and outcome.noticed_seconds is None] == []
