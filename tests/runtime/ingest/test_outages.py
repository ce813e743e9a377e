"""Ingest while the broker is away: a real one behind a proxy that cuts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from pipeline.contracts.bus import StreamEnd
from pipeline.ingest.pace import Pace
from pipeline.runtime.ingest.service import IngestService
from tests.support.broker import free_port
from tests.support.ingest import mjpeg_camera, wait_for
from tests.support.proxy import CuttableProxy, broker_behind_proxy
from tests.support.published import frames_of, read_back, sequences_of, service_of, settings_of

SCENE = "{id: yard, url: 'synthetic:yard?seed=3&seconds=120&fps=5&size=320x180'}"


@pytest.fixture(scope="module")
def proxy() -> Iterator[CuttableProxy]:
    with broker_behind_proxy() as proxy:
        yield proxy


def run_through_a_cut(service: IngestService, proxy: CuttableProxy) -> None:
    """Cut in the middle, mend when the file has come to wait, go on to the end."""
    service.start()
    try:
        assert wait_for(lambda: service.stats()["frames_published"] > 50)
        proxy.cut()
        assert wait_for(lambda: service.stats()["oldest_age_seconds"] > 0.5)
        proxy.mend()
        assert wait_for(lambda: service.is_finished, 40)
    finally:
        proxy.mend()
        service.stop(10)


def test_a_file_loses_nothing_while_the_broker_is_cut_off(proxy: CuttableProxy) -> None:
    """Every frame is there, in order, and the end behind them."""
    settings = settings_of(proxy.port, "cut-file")
    service = service_of(SCENE, settings, pace=Pace(speed=40.0))
    run_through_a_cut(service, proxy)
    found = read_back(settings)
    numbers = sequences_of(found, "yard")
    assert sorted(set(numbers)) == list(range(600))
    assert all(after - before in (0, 1) for before, after in pairwise(numbers))  # a repeat stays in its place
    assert isinstance(found[-1].message, StreamEnd)
    assert service.summary().records_unsent == 0


def test_a_live_camera_keeps_its_newest_seconds(proxy: CuttableProxy) -> None:
    """The oldest frames of an outage are dropped and counted; what is published stays in order."""
    settings = settings_of(proxy.port, "cut-live", ingest={"keep_for": 0.6})
    with mjpeg_camera(fps=25) as url:
        service = service_of(f"{{id: live, url: '{url}'}}", settings)
        service.start()
        try:
            assert wait_for(lambda: service.stats()["frames_published"] >= 3)
            proxy.cut()
            assert wait_for(lambda: service.stats()["frames_dropped"] >= 3)
            assert service.stats()["lag"] <= 5  # the one under way, and 0.6 s at 5 frames a second
            service.check_health()
            proxy.mend()
            before = service.stats()["frames_published"]
            assert wait_for(lambda: service.stats()["frames_published"] > before + 3, 40)
        finally:
            proxy.mend()
            service.stop(10)
    found = read_back(settings)
    numbers = sequences_of(found, "live")
    assert numbers == sorted(numbers)
    assert not any(isinstance(each.message, StreamEnd) for each in found)
    assert service.summary().records_unsent == 0


def test_ingest_starts_before_its_broker(proxy: CuttableProxy) -> None:
    """It waits, says so once, and begins by itself."""
    settings = settings_of(proxy.port, "late-broker")
    proxy.cut()
    service = service_of(SCENE, settings, pace=Pace(speed=40.0))
    with capture_logs() as logs:
        try:
            service.start()
            service.check_health()
            proxy.mend()
            assert wait_for(lambda: service.is_finished, 40)
        finally:
            proxy.mend()
            service.stop(10)
    assert len(frames_of(read_back(settings), "yard")) == 600
    assert [log["event"] for log in logs if "published" in log["event"]] == [
        "frames cannot be published; files wait, live cameras keep their newest",
        "frames can be published again",
    ]


def test_stopping_without_a_broker_is_bounded_and_says_what_stays() -> None:
    """What could not be published in time is counted, not waited for."""
    service = service_of(SCENE, settings_of(free_port(), "nobody"), pace=Pace(speed=1.0))
    service.start()
    assert wait_for(lambda: service.stats()["lag"] > 0)
    service.stop(0.2)
    assert service.summary().records_unsent > 0
    assert service.summary().frames_published == 0
