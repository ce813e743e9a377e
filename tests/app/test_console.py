"""What the console is handed, and how it keeps to the site file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.app.cluster import moments_writer
from pipeline.app.console import ConsoleSite, Parts
from pipeline.app.console_models import SiteModels
from pipeline.app.stores import open_stores
from pipeline.cli.asking import telling
from pipeline.clock import ManualClock
from pipeline.console.access import Principal
from pipeline.console.host import Host
from pipeline.console.roles import Action, Role, Scope
from pipeline.settings import Settings
from pipeline.site import load_site
from pipeline.telemetry import Metrics
from tests.support.archive import BAG, fill, seconds
from tests.support.local import site_of
from tests.support.model_server import judge
from tests.support.receiver import Receiver
from tests.support.watcher import MovingVision


@contextmanager
def standing_of(folder: Path, models: str = "{}") -> Iterator[tuple[ConsoleSite, Settings]]:
    """Over a data folder with an incident of `yard`, and a site file with these models."""
    fill(folder, (BAG,))
    path = folder / "site.yaml"
    path.write_text(f"{path.read_text()}\nmodels: {models}\n")
    site, settings, clock = load_site(path), Settings(data_dir=folder), ManualClock(seconds(1800))
    stores, used = open_stores(settings), SiteModels(site, settings)
    try:
        told = telling(stores, path, site.site.zone_info, clock)
        yield ConsoleSite(stores, site, clock, told, Parts(models=used)), settings
    finally:
        used.close()
        stores.close()


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ("{}", set()),
        ("{vlm: builtin}", {"replays"}),
        ("{encoder: builtin}", {"moments"}),
        ('{vlm: "openai:http://127.0.0.1:9/v1#tiny"}', {"replays", "checks", "chat"}),
        ("{vlm: some/model}", set()),
        ('{vlm: builtin, strong_vlm: "openai:http://127.0.0.1:9/v1#large"}', {"replays", "checks", "chat"}),
    ],
    ids=["none", "built in", "an encoder", "a server", "of the run alone", "a stronger one"],
)
def test_what_can_be_had_follows_from_the_models(tmp_path: Path, models: str, expected: set[str]) -> None:
    """Nothing is loaded for it, and no server is asked. The built-in model knows alarms, and answers no questions."""
    with standing_of(tmp_path, models) as (standing, settings):
        host = standing.host(settings)
        had = {name for name in ("replays", "checks", "moments", "chat") if getattr(host, name) is not None}
        assert had == expected
        assert (host.live, host.letters, host.desk) == (None, None, None)


def test_it_follows_the_site_file(tmp_path: Path) -> None:
    """Cameras, rules and rights are those of the file as it is now; the data of cameras that left can still be seen."""
    with standing_of(tmp_path) as (standing, settings):
        host, access = standing.host(settings), standing.book(settings).access
        guard = Principal("gus", {"gatehouse": Role.VIEWER}, frozenset(Scope))
        changed = site_of("cameras: [{id: door, url: x.mp4, labels: [gatehouse]}]")
        assert not access.allows(guard, Action.SEE_INCIDENTS, "door")
        standing.follow(changed)
        assert access.allows(guard, Action.SEE_INCIDENTS, "door")
        assert host.site() is changed
        assert set(host.archive().cameras) == {"door", "yard"}
        assert "entry" not in host.archive().rules


def test_an_incident_is_judged_again_by_the_sites_model(tmp_path: Path) -> None:
    """As `sightline incidents replay --json` tells it; what the site file no longer knows is said in words."""
    with Receiver(otherwise=judge(0.9)) as vlm:
        spec = f'{{vlm: "openai:http://127.0.0.1:{vlm.port}/v1#judge"}}'
        with standing_of(tmp_path, spec) as (standing, settings):
            replayed = _replay(standing.host(settings))
    assert replayed["incident"] == BAG.id
    assert replayed["now"]["verdict"] == "confirmed"


def _replay(host: Host) -> dict[str, object]:
    assert host.replays is not None
    return dict(host.replays(BAG))


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ({}, True),
        ({"database_url": "postgresql://db/sightline"}, False),
        ({"database_url": "postgresql://db/sightline", "search": {"url": "s3://site/vectors"}}, True),
        ({"search": {"enabled": False}}, False),
    ],
    ids=["one machine", "many machines", "and a place of all", "switched off"],
)
def test_watchers_keep_moments_where_all_can_reach_them(tmp_path: Path, given: dict[str, Any], is_kept: bool) -> None:
    """In a folder of one machine, or at a URL; never in the folder of a pod, where nobody would find them."""
    stores = open_stores(Settings(data_dir=tmp_path))
    site = site_of("models: {encoder: builtin}\ncameras: [{id: yard, url: x.mp4}]")
    settings = Settings(data_dir=tmp_path, **given)
    writer = moments_writer(site, settings, stores, MovingVision(), Metrics(), ManualClock())
    assert (writer is not None) is is_kept
    stores.close()
