"""One happening that two cameras see, in one process: stored incidents that know of each other."""

from __future__ import annotations

from pathlib import Path

from tests.support.local import incidents_of, run_site, site_of, stores_of

CAMERA = """
  - id: {name}
    url: "synthetic:yard?seed=1&seconds=40&fps=8&size=480x270"
    zones: {{fence: [[0.036, 0.495], [0.434, 0.495], [0.449, 0.358], [0.143, 0.358]]}}
"""
CAMERAS = CAMERA.format(name="yard") + CAMERA.format(name="gate")
SITE = f"cameras:{CAMERAS}rules: [{{id: entry, track: {{object: any, enters: fence}}}}]"


def test_incidents_of_two_cameras_are_linked_by_looks(tmp_path: Path) -> None:
    """The same person on both: what they look like is known of each, and joins them before the run is over."""
    site = site_of(SITE)
    run_site(site, tmp_path)
    one, other = incidents_of(site, tmp_path)
    assert one.candidate.appearance
    assert other.candidate.appearance
    stores = stores_of(site, tmp_path)
    (link,) = stores.incidents.links_of(one.id)
    stores.close()
    assert link.other_id == other.id
    assert link.similarity is not None
