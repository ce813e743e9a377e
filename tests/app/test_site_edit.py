"""Small changes to a site file's text."""

from __future__ import annotations

import pytest
import yaml

from pipeline.app.site_edit import drawn, switched, with_shape
from pipeline.cli.check import example_site
from pipeline.console.host import Shape, ShapeKind
from pipeline.errors import ConfigError

BLOCK = """\
# The yard.
cameras:
  - id: yard   # north
    url: "rtsp://u:${PASSWORD}@10.0.0.7/main"
    zones:   # seen from above
      gate:
        - [0.1, 0.2]   # left
        - [0.3, 0.2]
        - [0.3, 0.4]
      fence: [[0, 0], [1, 0], [1, 1]]
    masks:
    - [[0, 0], [0.1, 0], [0.1, 0.1]]

  # The door was added in May.
  - {id: door, url: door.mp4}
  - id: dock
    url: dock.mp4   # the last
rules:
  - {id: entry, track: {object: any, enters: gate}}
  - id: loitering
    enabled: true   # since June
    track: {object: any, inside: gate, longer_than: 45s}
"""
TRIANGLE = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.51234))
ROUNDED = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.512]]


def lines_that_differ(before: str, after: str) -> tuple[list[str], list[str]]:
    """Only in the one, and only in the other."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


@pytest.mark.parametrize(
    ("camera", "kind", "name", "line"),
    [
        ("yard", "zones", "fence", "      fence: [[0.1, 0.1], [0.5, 0.1], [0.5, 0.512]]"),
        ("yard", "zones", "new", "      new: [[0.1, 0.1], [0.5, 0.1], [0.5, 0.512]]"),
        (
            "door",
            "zones",
            "sill",
            "  - {id: door, url: door.mp4, zones: {sill: [[0.1, 0.1], [0.5, 0.1], [0.5, 0.512]]}}",
        ),
        ("dock", "zones", "bay", "    zones: {bay: [[0.1, 0.1], [0.5, 0.1], [0.5, 0.512]]}"),
        ("yard", "zones", "off", '      "off": [[0.1, 0.1], [0.5, 0.1], [0.5, 0.512]]'),
        ("yard", "lines", "off", '    lines: {"off": [[0.1, 0.1], [0.5, 0.1], [0.5, 0.512]]}'),
    ],
    ids=["moved", "beside others", "into a flow", "the first of a block", "a word that YAML reads otherwise", "alone"],
)
def test_a_shape_is_put_on_one_line(camera: str, kind: ShapeKind, name: str, line: str) -> None:
    """In the style of what is around it; every other line stays to the letter."""
    after = with_shape(BLOCK, camera, Shape(kind, name, TRIANGLE))
    gone, come = lines_that_differ(BLOCK, after)
    assert come == [line]
    assert len(gone) == (name in ("fence", "sill"))


def test_a_shape_in_block_style_becomes_one_line() -> None:
    """Its neighbours and comments of others stay."""
    after = with_shape(BLOCK, "yard", Shape("zones", "gate", TRIANGLE))
    assert yaml.safe_load(after)["cameras"][0]["zones"]["gate"] == ROUNDED
    assert "    zones:   # seen from above\n      gate: [[0.1, 0.1], [0.5, 0.1], [0.5, 0.512]]\n      fence:" in after


def test_a_shape_is_taken_out() -> None:
    """With its line; the last one leaves an empty place that keeps its comment."""
    after = with_shape(BLOCK, "yard", Shape("zones", "fence", ()))
    assert lines_that_differ(BLOCK, after) == (["      fence: [[0, 0], [1, 0], [1, 1]]"], [])
    after = with_shape(after, "yard", Shape("zones", "gate", ()))
    assert yaml.safe_load(after)["cameras"][0]["zones"] == {}
    assert "# seen from above" in after


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_shape_is_taken_out_of_a_flow(name: str) -> None:
    """With its comma, wherever it stands."""
    text = "cameras: [{id: x, zones: {a: [[0, 0]], b: [[0, 1]] , c: [[1, 1]]}, url: u}] # end"
    after = with_shape(text, "x", Shape("zones", name, ()))
    assert list(yaml.safe_load(after)["cameras"][0]["zones"]) == [each for each in "abc" if each != name]
    assert after.endswith(", url: u}] # end")


def test_masks_are_counted() -> None:
    """The next number makes a new one, no points take one out, and a number that is not there is refused."""
    two = with_shape(BLOCK, "yard", Shape("masks", "2", TRIANGLE))
    assert yaml.safe_load(two)["cameras"][0]["masks"] == [[[0, 0], [0.1, 0], [0.1, 0.1]], ROUNDED]
    one = with_shape(two, "yard", Shape("masks", "1", ()))
    assert yaml.safe_load(one)["cameras"][0]["masks"] == [ROUNDED]
    with pytest.raises(ConfigError, match="expected a number from 1 to 2"):
        with_shape(BLOCK, "yard", Shape("masks", "3", TRIANGLE))


def test_a_rule_is_switched_where_it_stands() -> None:
    """Comments and order stay; a rule that says nothing of it gets the word."""
    off = switched(BLOCK, "loitering", is_on=False)
    assert lines_that_differ(BLOCK, off) == (
        ["    enabled: true   # since June"],
        ["    enabled: false   # since June"],
    )
    off = switched(BLOCK, "entry", is_on=False)
    assert "  - {id: entry, track: {object: any, enters: gate}, enabled: false}\n" in off


def test_the_example_file_is_edited_without_losing_a_comment() -> None:
    """Every comment that the program ships stays, whatever is drawn."""
    text = example_site()
    after = with_shape(text, "yard", Shape("masks", "2", TRIANGLE))
    after = with_shape(after, "yard", Shape("zones", "gate", TRIANGLE))
    after = with_shape(after, "yard", Shape("lines", "kerb", TRIANGLE[:2]))
    after = switched(after, "gate-entry", is_on=False)
    for line in text.splitlines():
        assert "#" not in line or line[line.index("#") :] in after


def test_line_ends_stay_as_they_are() -> None:
    """A file from Windows stays one."""
    text = BLOCK.replace("\n", "\r\n")
    after = with_shape(text, "dock", Shape("zones", "bay", TRIANGLE))
    assert "\n" not in after.replace("\r\n", "")


@pytest.mark.parametrize(
    "text",
    [
        "zones: &z {a: [[0, 0], [1, 0], [1, 1]]}\ncameras: [{id: x, zones: *z}]",
        "cameras:\n  - id: x\n    zones: &z {a: [[0, 0], [1, 0], [1, 1]]}\n  - {id: y, zones: *z}",
        "cameras: [{id: y}]",
        "cameras: nothing",
        "[1, 2]",
        "a: [",
    ],
    ids=["an alias", "an anchor", "no camera", "no list", "no keys", "no YAML"],
)
def test_what_cannot_be_changed_in_place_is_refused(text: str) -> None:
    """Rather than to change more than was asked for."""
    with pytest.raises(ConfigError):
        with_shape(text, "x", Shape("zones", "a", TRIANGLE))


def test_aliases_of_aliases_are_refused_at_once() -> None:
    """A text of some hundred characters that stands for a billion values."""
    bomb = "a0: &a0 [1, 1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    with pytest.raises(ConfigError, match="not YAML that can be read"):
        switched(bomb + "rules: [{id: x}]", "x", is_on=False)
    assert drawn(bomb) == []


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "a: {" * 100_000, "cameras: [{id: x, zones: {a: [[1" + "0" * 400 + ", .nan]]}}]"]
)
def test_what_would_break_a_reader_is_refused_or_left_out(text: str) -> None:
    """Nested deeply, or numbers that are none: nothing is drawn of it, and the process goes on."""
    assert [shape for camera in drawn(text) for shape in camera.shapes] == []


def test_what_a_text_draws() -> None:
    """Camera by camera; what is no shape is left out, and of a text that cannot be read there is none."""
    yard, door, dock = drawn(BLOCK)
    assert [(shape.kind, shape.name) for shape in yard.shapes] == [
        ("zones", "gate"),
        ("zones", "fence"),
        ("masks", "1"),
    ]
    assert yard.shapes[0].points == ((0.1, 0.2), (0.3, 0.2), (0.3, 0.4))
    assert (door.shapes, dock.shapes) == ((), ())
    assert drawn("cameras: [{id: x, zones: {a: [[0, one]], b: 3, c: [[2, -1]]}}, 4]")[0].shapes == (
        Shape("zones", "c", ((2.0, -1.0),)),
    )
    assert drawn("a: [") == []
