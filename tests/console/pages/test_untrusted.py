"""What cameras, models and people write is shown and never run; what other sites send is not done."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from pipeline.contracts.assessment import Assessment, Verdict
from pipeline.contracts.candidate import Fact
from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.incident import Incident
from tests.support.archive import ScriptedChat, says
from tests.support.browser import OpenPage
from tests.support.cli import hostile_report
from tests.support.console_demo import Console, DemoLetters, demo_console

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=run()><script>run()</script>\"'`${run()}{{7*7}}"
"""At most 80 characters: a report's names are no longer."""
_PLANT = "window.ran = 0; window.run = () => { window.ran += 1; };"
_INJECTED = "document.querySelectorAll('img[onerror], main script, [src=x]').length"
_PAGES = ["/review?status=any", "/timeline", "/live", "/search", "/system", "/people/audit"]


class HostileLetters:
    """`Letters` whose one letter is an attack."""

    def dead(self, since: datetime | None) -> Sequence[Mapping[str, Any]]:
        return [{**DemoLetters().dead(None)[0], "reason": HOSTILE, "key": HOSTILE, "origin": HOSTILE}]

    def redrive(self, ids: Sequence[str] | None) -> Sequence[Mapping[str, Any]]:
        return []


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console in which everything that others write is an attack."""
    given = {"chat": ScriptedChat([says(HOSTILE)]), "letters": HostileLetters()}
    with demo_console(tmp_path_factory.mktemp("hostile"), **given) as made:
        now = made.clock.now()
        made.stores.coverage.extend(
            [Interval("yard", Layer.PICTURES, now - timedelta(hours=15), now - timedelta(hours=14), "offline", HOSTILE)]
        )
        made.host.changes.review(_attack(made).id, is_right=False, by="olu", note=HOSTILE)
        yield made


def _attack(console: Console) -> Incident:
    """An incident whose facts and report are one."""
    now = console.clock.now()
    fact = Fact(kind="enters", text=HOSTILE, at=now)
    incident = console.happens(console.incidents(camera_id="yard")[0], will_verify=True, facts=(fact,))
    recorder: Any = console.host.changes
    judged = Assessment(
        candidate_id=incident.id,
        verdict=Verdict.CONFIRMED,
        probability=0.9,
        reason=HOSTILE,
        report=hostile_report(HOSTILE),
        model_id=HOSTILE,
        started_at=now,
        finished_at=now,
    )
    assert recorder.assessment(judged) is not None
    return incident


def opened(open_page: OpenPage, hostile: Console, path: str) -> Page:
    """The page at `path` with what it loads after itself, where the attack would have found its mark."""
    page = open_page("/static/icon.svg", "admin", at=hostile)
    page.add_init_script(_PLANT)
    page.goto(path)
    page.wait_for_timeout(700)
    return page


def unharmed(page: Page) -> None:
    """Nothing of what others wrote has become an element or a script."""
    assert page.evaluate("window.ran") == 0
    assert page.evaluate(_INJECTED) == 0


@pytest.mark.parametrize("path", _PAGES)
def test_what_others_write_is_shown_and_not_run(open_page: OpenPage, hostile: Console, path: str) -> None:
    """Titles, facts, names, errors, on every page that has any."""
    unharmed(opened(open_page, hostile, path))


def test_what_a_model_writes_of_an_incident_is_shown_and_not_run(open_page: OpenPage, hostile: Console) -> None:
    """Claims, forecasts, advice, notes of people: to be read as they were written, templates among them."""
    (incident, *_) = hostile.incidents(camera_id="yard")
    page = opened(open_page, hostile, f"/review/{incident.id}")
    assert HOSTILE in page.locator("main").inner_text()
    unharmed(page)


def test_an_answer_of_the_chat_is_shown_and_not_run(open_page: OpenPage, hostile: Console) -> None:
    """Nor what was asked."""
    page = opened(open_page, hostile, "/ask")
    page.locator("main textarea, main input[type=text]").first.fill(HOSTILE)
    page.keyboard.press("Enter")
    page.locator("main").get_by_text("{{7*7}}").nth(1).wait_for()
    unharmed(page)


def test_an_address_is_shown_and_not_run(open_page: OpenPage, hostile: Console) -> None:
    """What a page says of an address that somebody was made to click."""
    for path in ("/review", "/timeline", "/search", "/sign-in"):
        unharmed(
            opened(open_page, hostile, f"{path}?{urlencode({'camera': HOSTILE, 'text': HOSTILE, 'next': HOSTILE})}")
        )


_ATTACKER = """<!doctype html><title>x</title><iframe src="{url}/review"></iframe><script>
Promise.allSettled([
  fetch("{url}{path}", {{method: "POST", mode: "no-cors", credentials: "include"}}),
  fetch("{url}/api/v1/incidents", {{credentials: "include"}})
    .then((answer) => answer.text()).then((text) => {{ window.read = text; }}),
]).then(() => {{ window.done = true; }});
</script><form method="post" action="{url}{path}" enctype="text/plain"><input name="{{" value="}}"></form>"""


@contextmanager
def another_site(text: str) -> Iterator[int]:
    """A page of somebody else on this machine; the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_sites_page_does_nothing_with_ones_cookie(open_page: OpenPage, console: Console, name: str) -> None:
    """On another port of the same host, where browsers do send the cookie, and on another host: it can neither decide,
    nor read, nor show the console in a frame."""
    incident = next(one for one in console.incidents() if one.review is None)
    path = f"/api/v1/incidents/{incident.id}/reject"
    with another_site(_ATTACKER.format(url=console.url, path=path)) as port:
        page = open_page("/review")
        page.goto(f"http://{name}:{port}/")
        page.wait_for_function("window.done")
        assert page.evaluate("window.read") is None
        assert all("To decide" not in frame.content() for frame in page.frames)
        page.locator("form").evaluate("(form) => form.submit()")
        page.wait_for_url("**/reject")
    found = console.stores.incidents.get(incident.id)
    assert found is not None
    assert found.review is None
    open_page.complaints.clear()  # the browser says that it has refused the frame
