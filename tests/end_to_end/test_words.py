"""A rule in words from a site file, with a real (tiny, untrained) encoder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.contracts.decision import Gate
from pipeline.errors import ConfigError
from tests.support.cli import write_video
from tests.support.local import run_site, site_of, stores_of
from tests.support.perception import make_clip

SITE = """
models: {{encoder: "{encoder}"}}
cameras: [{{id: hall, url: "{video}"}}]
rules: [{{id: climb, when: a person climbs the fence, timing: {{threshold: 0.99}}}}]
"""


@pytest.mark.models
def test_a_rule_in_words_is_scored(tmp_path: Path) -> None:
    """The encoder is loaded before the words of the rules are read; every frame looked at gets a score."""
    make_clip(tmp_path / "clip")
    site = site_of(SITE.format(encoder=tmp_path / "clip", video=write_video(tmp_path / "walk.mp4")))
    summary = run_site(site, tmp_path / "data")
    stores = stores_of(site, tmp_path / "data")
    now = datetime.now(UTC)
    counts = stores.decisions.between("hall", now - timedelta(hours=1), now + timedelta(hours=1), "climb")
    stores.close()
    scored = [count for count in counts if count.gate is Gate.THRESHOLD]
    assert sum(count.count for count in scored) == summary.frames_sampled > 0
    assert all(count.max_value is not None for count in scored)


def test_a_missing_encoder_is_named(tmp_path: Path) -> None:
    """The folder that is not there is the message, not what the rule needed it for."""
    site = site_of(SITE.format(encoder=tmp_path / "nothing", video=tmp_path / "walk.mp4"))
    with pytest.raises(ConfigError, match=r"models\.encoder: expected a model's folder at .*nothing, found none"):
        run_site(site, tmp_path / "data")
