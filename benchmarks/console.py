"""How soon the console shows an incident, how heavy its pages are, what a search and 100 open pages cost.

The console is served by a process of its own over a past that the local pipeline made (tests/support/console_demo);
incidents are stored by this one, as a run stores them beside `sightline api`. Shown: from the moment an incident is
stored to the browser's next picture of the open review page that has its row. Pages: everything a browser with an
empty cache fetches until a second after `load`. Followers: clients that do what an open review page does, each with a
session of its own: they follow the changes and fetch each changed row; one incident is stored every two seconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from measure import ROOT, parser, save, show
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(ROOT))

from pipeline.app.stores import Stores, open_stores
from pipeline.cli.configuration import settings_for
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.contracts.vectors import KeptVector
from pipeline.incidents.recorder import IncidentRecorder
from tests.support.browser import chromium
from tests.support.console_demo import PEOPLE, beginning, demo_console
from tests.support.console_past import NOW, RunningClock
from tests.support.people import PASSWORD

_PAGES = ("/sign-in", "/review", "/timeline", "/live", "/search", "/ask", "/rules", "/system", "/people", "/account")
_EVERY_SECONDS = 2.0
_BATCH = 20_000
_WORDS = ("a person", "a red car", "somebody with a bag", "a person near the fence", "a bicycle", "an empty street")
_WATCH = """() => {
  window.shown = {};
  const look = () => requestAnimationFrame(() => {
    for (const row of document.querySelectorAll("#rows > [data-id]")) window.shown[row.dataset.id] ??= Date.now();
  });
  new MutationObserver(look).observe(document.getElementById("list").parentElement, {childList: true, subtree: true});
}"""
_WEIGHT = """() => {
  const parts = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const heavy = (test) => parts.filter(test).reduce((sum, part) => sum + part.transferSize, 0);
  const isPicture = (part) => /\\/evidence\\/|\\/frame|\\.jpg/.test(part.name);
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return {page: heavy((part) => !isPicture(part)), pictures: heavy(isPicture), requests: parts.length,
    load: parts[0].loadEventEnd, paint: paint ? paint.startTime : parts[0].loadEventEnd};
}"""


@dataclass(frozen=True, slots=True)
class Served:
    """The console, seen from here."""

    url: str
    pid: int
    stores: Stores
    clock: RunningClock

    def store(self, like: Incident) -> Incident:
        """Something like that begins now."""
        recorder = IncidentRecorder(self.stores.incidents, lambda _change: (), self.clock)
        candidate = beginning(like, self.clock.now())
        change = recorder.candidate(candidate, will_verify=False, snapshot_uri=like.snapshot_uri)
        assert change is not None
        incident: Incident = change.incident
        return incident

    def cpu_seconds(self) -> float:
        """Of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Memory in use."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def serve(folder: Path, told: Connection) -> None:
    """In a process of its own, until told to stop."""
    with demo_console(folder) as console:
        told.send((console.url, os.getpid()))
        told.recv()


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """The console in another process, and its stores here."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(folder, there))
    process.start()
    url, pid = here.recv()
    stores = open_stores(settings_for(None, data_dir=folder / "data"), must_exist=True)
    yield Served(url, pid, stores, RunningClock.at(NOW))
    stores.close()
    here.send("stop")
    process.join()


def signed_in(url: str, role: str = "operator") -> httpx.Cookies:
    """The cookies of a new session."""
    account = {"name": PEOPLE[role].name, "password": PASSWORD}
    with httpx.Client(base_url=url, headers={"Origin": url}) as client:
        client.post("/api/v1/session", json=account).raise_for_status()
        return client.cookies


def opened(browser: Browser, url: str, path: str, role: str = "operator") -> Page:
    """A page with an empty cache."""
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 860})
    if path != "/sign-in":
        cookies = signed_in(url, role)
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
    page = context.new_page()
    page.goto(path)
    return page


def latency(console: Served, browser: Browser, number: int) -> list[float]:
    """Seconds from stored to shown, of each incident."""
    page = opened(browser, console.url, "/review")
    page.wait_for_timeout(2_000)
    page.evaluate(_WATCH)
    like = console.stores.incidents.find(IncidentFilter(camera_id="yard", limit=1))[0]
    stored: dict[str, float] = {}
    for _ in range(number):
        incident = console.store(like)
        stored[incident.id] = time.time()
        page.wait_for_timeout(1000 * random.uniform(1.0, 2.0))
    page.wait_for_timeout(5_000)
    shown = page.evaluate("window.shown")
    page.context.close()
    missing = set(stored) - set(shown)
    assert not missing, f"{len(missing)} of {number} incidents were never shown"
    return [shown[incident_id] / 1000 - at for incident_id, at in stored.items()]


def weights(console: Served, browser: Browser, times: int) -> dict[str, dict[str, float]]:
    """Each page's bytes and milliseconds, the median of so many first visits."""
    found = {}
    for path in _PAGES:
        looks = []
        for _ in range(times):
            page = opened(browser, console.url, path, "admin")
            page.wait_for_timeout(1_000)
            looks.append(page.evaluate(_WEIGHT))
            page.context.close()
        found[path] = {name: float(np.median([look[name] for look in looks])) for name in looks[0]}
    return found


def searches(console: Served, number: int) -> dict[str, tuple[float, float, float]]:
    """p50 and p95 of searches through the API, and the server's processor time for each, in milliseconds."""
    found = {}
    with httpx.Client(base_url=f"{console.url}/api/v1", cookies=signed_in(console.url), timeout=300) as client:
        for path in ("/search/moments", "/search/incidents"):
            times, worked = list[float](), 0.0
            for turn in range(number + 10):
                worked = worked if turn > 10 else console.cpu_seconds()
                words = {"text": _WORDS[turn % len(_WORDS)], "since": "7 days ago"}
                started = time.perf_counter()
                client.get(path, params=words).raise_for_status()
                times.append(1000 * (time.perf_counter() - started))
            p50, p95 = np.quantile(times[10:], [0.5, 0.95])
            found[path] = (float(p50), float(p95), 1000 * (console.cpu_seconds() - worked) / number)
    return found


def remember(console: Served, number: int) -> None:
    """So many more moments of the demo's cameras before this morning, of made-up looks, in the encoder's own space."""
    vectors = console.stores.vectors
    rng = np.random.default_rng(5)
    cameras = ("yard", "street", "corridor", "hall", "dock")
    dimensions = _dimensions()
    states = rng.standard_normal((60, dimensions), np.float32)
    for first in range(0, number, _BATCH):
        count = min(_BATCH, number - first)
        looks = states[rng.integers(0, 60, count)] + 0.6 * rng.standard_normal((count, dimensions), np.float32)
        looks /= np.linalg.norm(looks, axis=1, keepdims=True)
        at = [NOW.timestamp() - 3600 - (first + n) / len(cameras) for n in range(count)]
        moments = [type(NOW).fromtimestamp(second, NOW.tzinfo) for second in at]
        vectors.add(
            [
                KeptVector(cameras[n % len(cameras)], moment, moment, "builtin", looks[n], frozenset())
                for n, moment in enumerate(moments)
            ]
        )
    vectors.upkeep()


def _dimensions() -> int:
    from pipeline.perception.encoder import load_encoder

    encoder = load_encoder("builtin", settings_for(None).perception)
    assert encoder is not None
    encoder.warm_up()
    return int(encoder.encode_texts(["a person"]).shape[1])


async def _follow(console: Served, cookies: httpx.Cookies, delays: list[float], ready: asyncio.Event) -> None:
    """As an open review page: follow, and fetch what changed."""
    limits = httpx.Limits(max_connections=2)
    async with httpx.AsyncClient(base_url=console.url, cookies=cookies, timeout=None, limits=limits) as client:
        await client.get("/review")
        async with client.stream("GET", "/api/v1/events") as stream:
            ready.set()
            async for line in stream.aiter_lines():
                if line.startswith("id: "):
                    micros = int(line.removeprefix("id: ").split("-")[0])
                    delays.append(console.clock.now().timestamp() - micros / 1e6)
                    incident_id = line.split("-", 1)[1].split(".")[0]
                    await client.get(f"/review/changed?id={incident_id}", headers={"HX-Request": "true"})


async def _followed(console: Served, number: int, seconds: float) -> dict[str, Any]:
    like = console.stores.incidents.find(IncidentFilter(camera_id="yard", limit=1))[0]
    before_mb, delays = console.resident_mb(), list[float]()
    sessions = [signed_in(console.url) for _ in range(number)]
    ready = [asyncio.Event() for _ in sessions]
    tasks = [
        asyncio.create_task(_follow(console, each, delays, event)) for each, event in zip(sessions, ready, strict=True)
    ]
    await asyncio.gather(*(event.wait() for event in ready))
    idle_from, idle_cpu = time.monotonic(), console.cpu_seconds()
    await asyncio.sleep(10)
    idle = (console.cpu_seconds() - idle_cpu) / (time.monotonic() - idle_from)
    busy_from, busy_cpu, num_stored = time.monotonic(), console.cpu_seconds(), 0
    while time.monotonic() < busy_from + seconds:
        await asyncio.to_thread(console.store, like)
        num_stored += 1
        await asyncio.sleep(_EVERY_SECONDS)
    busy = (console.cpu_seconds() - busy_cpu) / (time.monotonic() - busy_from)
    after_mb = console.resident_mb()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "followers": number,
        "stored": num_stored,
        "told": len(delays),
        "told_of_all": len(delays) / max(number * num_stored, 1),
        "told_p50_seconds": float(np.quantile(delays, 0.5)),
        "told_p95_seconds": float(np.quantile(delays, 0.95)),
        "idle_cores": idle,
        "busy_cores": busy,
        "before_mb": before_mb,
        "after_mb": after_mb,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = parser(__doc__ or "")
    asked.add_argument("--incidents", type=int, default=60)
    asked.add_argument("--visits", type=int, default=5)
    asked.add_argument("--searches", type=int, default=100)
    asked.add_argument("--moments", type=int, default=0, help="so many more moments to search among")
    asked.add_argument("--followers", type=int, default=100)
    asked.add_argument("--seconds", type=float, default=40.0, help="how long they are told of new incidents")
    given = asked.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sightline-console-") as folder, served(Path(folder) / "demo") as console:
        with chromium() as browser:
            shown = latency(console, browser, given.incidents)
            pages = weights(console, browser, given.visits)
        followed = asyncio.run(_followed(console, given.followers, given.seconds))
        if given.moments:
            remember(console, given.moments)
        found = searches(console, given.searches)  # last: the first one loads the encoder, some 400 MB
    _tell(shown, pages, found, followed)
    if given.save:
        figures = {
            "shown_seconds": {f"p{share}": float(np.quantile(shown, share / 100)) for share in (50, 95, 100)},
            "incidents": len(shown),
            "pages": pages,
            "moments": given.moments,
            "searches_ms": {
                path: dict(zip(("p50", "p95", "processor"), times, strict=True)) for path, times in found.items()
            },
            "followers": followed,
        }
        save("console", figures)


def _tell(
    shown: Sequence[float],
    pages: dict[str, dict[str, float]],
    found: dict[str, tuple[float, float, float]],
    followed: dict[str, Any],
) -> None:
    p50, p95 = np.quantile(shown, [0.5, 0.95])
    show(
        "stored → shown on the open review page, s",
        ["incidents", "p50", "p95", "most"],
        [[len(shown), p50, p95, max(shown)]],
    )
    rows = [
        [path, one["page"] / 1000, one["pictures"] / 1000, one["requests"], one["paint"], one["load"]]
        for path, one in pages.items()
    ]
    show("a first visit", ["page", "KB", "pictures, KB", "requests", "first paint, ms", "loaded, ms"], rows)
    show(
        "searches through the API",
        ["path", "p50, ms", "p95, ms", "processor, ms"],
        [[path, *times] for path, times in found.items()],
    )
    show("open pages", list(followed), [list(followed.values())])


if __name__ == "__main__":
    main()
