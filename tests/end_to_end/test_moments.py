"""What cameras saw is kept second by second, and found by words, by a picture, and in a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.app.ask import site_encoder
from pipeline.contracts.vectors import Among
from pipeline.search.query import MomentSearch
from tests.support.cli import write_video
from tests.support.local import run_site, settings_of, site_of, stores_of
from tests.support.perception import make_clip

SITE = """
models: {{encoder: "{encoder}"}}
settings: {{search: {{enabled: {enabled}}}}}
cameras: [{{id: hall, url: "{video}"}}]
rules: [{{id: climb, when: a person climbs the fence, timing: {{threshold: 0.99}}}}]
"""


@pytest.mark.models
def test_a_run_keeps_what_it_saw(tmp_path: Path) -> None:
    """Though no rule was met; and erasing the camera's hour takes it away."""
    make_clip(tmp_path / "clip")
    video = write_video(tmp_path / "walk.mp4")
    site = site_of(SITE.format(encoder=tmp_path / "clip", video=video, enabled="true"))
    run_site(site, tmp_path / "data")
    words, stores = site_encoder(site, settings_of(site, tmp_path / "data")), stores_of(site, tmp_path / "data")
    found = MomentSearch(stores.vectors, words).by_words("a person", Among(camera_ids=("hall",)), 5)
    assert [one.camera_id for one in found.moments] == ["hall"]
    now, hour = datetime.now(UTC), timedelta(hours=1)
    assert stores.eraser.erase("hall", now - hour, now + hour).num_by_kind["moment"] > 0
    assert MomentSearch(stores.vectors, words).by_words("a person", Among(), 5).moments == ()
    stores.close()
    words.close()


@pytest.mark.models
def test_what_is_switched_off_is_not_kept(tmp_path: Path) -> None:
    """No folder is made for it."""
    make_clip(tmp_path / "clip")
    video = write_video(tmp_path / "walk.mp4")
    run_site(site_of(SITE.format(encoder=tmp_path / "clip", video=video, enabled="false")), tmp_path / "data")
    assert not (tmp_path / "data" / "vectors").exists()
