"""A backtest as a process of its own, beside a program that goes on."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from itertools import groupby
from typing import Any

import pytest

from pipeline.app.site_desk import FileDesk
from pipeline.errors import ConfigError, Overloaded, SiteFileError, TransientError
from tests.support.tried_site import SINCE, TEXT, UNTIL, kept_desk

STRICT = TEXT.replace("{crosses: middle}", "{inside: left, longer_than: 60s}")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> FileDesk:
    """Its data is found where the program says it is."""
    return kept_desk(tmp_path_factory.mktemp("tried"))


def tried(desk: FileDesk, text: str, *rules: str) -> Generator[Mapping[str, Any]]:
    return desk.backtest(text, rules, SINCE, UNTIL)


def test_a_draft_is_tried_on_what_is_kept(desk: FileDesk) -> None:
    """Step by step, then what the command tells; the file itself is not asked."""
    *steps, result = tried(desk, STRICT, "crosses")
    assert [step for step, _ in groupby(steps) if step["of"]] == [{"done": number, "of": 2} for number in range(3)]
    (side,) = result["sites"]
    assert side["rules"]["crosses"]["history"]["crosses"]["not_reviewed"]["told"] == 0
    assert side["rules"]["crosses"]["gates"]
    assert [one["camera"] for one in side["recordings"]] == ["yard", "yard"]


def test_one_at_a_time(desk: FileDesk) -> None:
    """Closed in the middle, as when a page is left, the first makes room, as the next test shows."""
    with closing(tried(desk, TEXT)) as first:
        assert next(first) == {"done": 0, "of": 0}
        with pytest.raises(Overloaded, match="another backtest is running"):
            next(tried(desk, TEXT))


def test_what_cannot_be_tried_is_said_in_the_commands_words(desk: FileDesk) -> None:
    """Whatever was typed is a value and no option; a wrong text is refused before anything is started."""
    with pytest.raises(ConfigError, match="--draft"):
        list(desk.backtest(TEXT, (), "--draft", "now"))
    with pytest.raises(SiteFileError):
        tried(desk, "cameras: []")


def test_a_process_that_dies_is_said(desk: FileDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves room for the next."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    for _ in range(2):
        with pytest.raises(TransientError, match=r"ended early \(status 1\)"):
            list(tried(desk, TEXT))
