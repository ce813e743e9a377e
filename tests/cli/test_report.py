"""The report that stands alone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC
from html.parser import HTMLParser

from pipeline.cli.report import ReportHead, clock, render_report
from pipeline.contracts.incident import IncidentStatus
from pipeline.contracts.rule import Rule
from tests.support.cli import START, PictureShelf, hostile_report, incident

HEAD = ReportHead(
    source="clip.mp4",
    started_at=START,
    duration_seconds=60.0,
    frames_read=600,
    rules=(Rule.model_validate({"id": "loitering", "track": {"inside": "fence", "longer_than": 45}}),),
    models={"detector": "motion", "vlm": "none"},
    version="0.1.0",
    zone=UTC,
)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[31m"


class _Tags(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_what_a_model_wrote_stays_text() -> None:
    """Markup and control characters in a model's words never become part of the page."""
    seen = incident(status=IncidentStatus.CONFIRMED, report=hostile_report(HOSTILE), fact=HOSTILE)
    page = render_report(replace(HEAD, source=HOSTILE, warnings=[HOSTILE]), [seen], PictureShelf())
    tags = _Tags(page).tags
    assert "script" not in {tag for tag, _ in tags}
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert "\x1b" not in page
    assert page.count("&lt;script&gt;") >= 9


def test_the_page_needs_nothing_from_outside() -> None:
    """No address but data URIs and places within the page, and a policy that forbids any other."""
    page = render_report(HEAD, [incident()], PictureShelf())
    for _, attributes in _Tags(page).tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
    assert "default-src 'none'" in page
    assert "url(" not in page


def test_shows_pictures_facts_and_boxes() -> None:
    """A card has the annotated picture, the facts, and boxes over the key pictures."""
    page = render_report(HEAD, [incident()], PictureShelf())
    assert page.count("data:image/jpeg;base64,") == 2
    assert "stayed in fence for 47 s (limit 45 s)" in page
    assert '<rect x="40.0" y="30.0" width="50.0" height="120.0">' in page


def test_a_models_claims_are_drawn_where_it_says() -> None:
    """Elements of the model's report become boxes on the picture they cite, in pixels of the frame."""
    page = render_report(
        HEAD, [incident(status=IncidentStatus.CONFIRMED, report=hostile_report("a man"))], PictureShelf()
    )
    assert '<rect class="claim" x="32.0" y="18.0"' in page
    assert "93% sure" in page


def test_pictures_that_are_gone_leave_the_words() -> None:
    """Evidence that cannot be read does not cost the report."""
    page = render_report(HEAD, [incident()], PictureShelf(is_empty=True))
    assert "no picture was kept" in page
    assert "stayed in fence" in page


def test_marks_stand_where_it_happened() -> None:
    """The bar shows an incident at its share of the source, wide enough to be seen, and never past the end."""
    page = render_report(HEAD, [incident(15.0), incident(59.9), incident(700.0)], PictureShelf())
    marks = [tuple(map(float, found)) for found in re.findall(r"left:([\d.]+)%;width:([\d.]+)%", page)]
    assert marks[0] == (25.0, 8.33)
    assert all(left + width <= 100.001 and width > 0 for left, width in marks)


def test_nothing_found_is_said() -> None:
    """An empty report says that nothing was seen, and what was watched for."""
    page = render_report(replace(HEAD, duration_seconds=0.0, frames_read=0), [], PictureShelf())
    assert "Nothing that the rules ask for was seen" in page
    assert "anything inside fence longer than 45 s" in page


def test_clock() -> None:
    """Minutes and seconds, with hours only when there are some."""
    assert [clock(seconds) for seconds in (0, 65.9, 3725, -3)] == ["0:00", "1:05", "1:02:05", "0:00"]
