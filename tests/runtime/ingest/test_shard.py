"""Cameras shared out among ingest processes."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigError
from pipeline.runtime.ingest.shard import Shard

CAMERAS = [f"camera-{number}" for number in range(1000)]


def shares(cameras: list[str], count: int) -> list[set[str]]:
    return [{camera for camera in cameras if Shard(index, count).holds(camera)} for index in range(count)]


def test_every_camera_belongs_to_exactly_one_share() -> None:
    """Together the shares hold all cameras, none of them twice."""
    parts = shares(CAMERAS, 4)
    assert sum(len(part) for part in parts) == len(CAMERAS)
    assert set().union(*parts) == set(CAMERAS)


def test_shares_are_of_about_the_same_size() -> None:
    """A thousand cameras in four shares: each within a fifth of a quarter (three standard deviations are 16 %)."""
    assert all(200 <= len(part) <= 300 for part in shares(CAMERAS, 4))


def test_a_camera_that_is_added_moves_no_other() -> None:
    """Where a camera belongs follows from its id alone."""
    before, after = shares(CAMERAS[:500], 3), shares(CAMERAS, 3)
    assert all(old <= new for old, new in zip(before, after, strict=True))


def test_the_same_camera_is_in_the_same_share_for_ever() -> None:
    """The hash is part of the interface: another version of the program must not move cameras."""
    assert [index for index in range(3) if Shard(index, 3).holds("gate-north")] == [0]


@pytest.mark.parametrize("text", ["3/3", "0/0", "1", "-1/3", "1/x", "", "1/2/3"])
def test_a_shard_that_cannot_be_is_refused(text: str) -> None:
    """The message shows the form."""
    with pytest.raises(ConfigError, match="expected a shard such as 0/3, 1/3 or 2/3"):
        Shard.parse(text)


def test_a_shard_reads_as_it_is_written() -> None:
    """Text and back."""
    assert str(Shard.parse(" 1/3 ")) == "1/3"
