from __future__ import annotations

import json
import traceback
from datetime import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.contracts.values import Severity
from pipeline.errors import ConfigError, SiteFileError, SiteProblem
from pipeline.site import Site, load_site, parse_site, site_schema

ENVIRONMENT = {
    "GATE_URL": "rtsp://ada:pw-of-ada@cam/1",
    "HOOK": "https://hooks.example/T0/s3cret",
    "KEY": "signing-key",
}
WHOLE = """\
site: {name: depot-7, timezone: Europe/Berlin, language: en}
models: {detector: "onnx:weights/yolox_nano.onnx", encoder: google/siglip2-base-patch16-224}
cameras:
  - id: gate-north
    url: ${GATE_URL}
    labels: [outdoor]
    zones: {fence: [[0.1, 0.4], [0.9, 0.4], [0.9, 0.6]]}
    lines: {kerb: [[0.0, 0.8], [1.0, 0.8]]}
    masks: [[[0.7, 0.0], [1.0, 0.0], [1.0, 0.2]]]
    sampling: {idle_fps: 0.1, active_fps: 2}
  - id: hall
    url: "usb:0"
rules:
  - id: climb-fence
    when: a person climbs over the fence
    cameras: [outdoor]
    zone: fence
    schedule: "22:00-06:00"
    severity: high
    cooldown: 90s
    notify: [guards]
    timing: {threshold: 0.7, release: 0.3}
  - id: loitering
    cameras: gate-north
    track: {object: person, inside: fence, longer_than: 45s}
channels:
  guards: {webhook: "${HOOK}", secret: "${KEY}"}
  office: {webhook: "https://example.org/hook", format: slack}
settings: {alerting: {retry_to: 5m}}
"""
CAMERA = (
    "cameras: [{id: gate, url: 'usb:0', zones: {door: [[0, 0], [1, 0], [1, 1]]}, lines: {kerb: [[0, 0], [1, 1]]}}]\n"
)


def parse(text: str, **environment: str) -> Site:
    return parse_site(text, "site.yaml", ENVIRONMENT | environment)


def problems(text: str, **environment: str) -> tuple[SiteProblem, ...]:
    with pytest.raises(SiteFileError) as caught:
        parse(text, **environment)
    return caught.value.problems


def only(text: str, **environment: str) -> SiteProblem:
    (problem,) = problems(text, **environment)
    return problem


def with_rule(rule: str) -> str:
    return f"{CAMERA}rules:\n  - {{id: r, {rule}}}\n"


def test_a_whole_site_is_read() -> None:
    """Every part of the file ends up where the program looks for it."""
    site = parse(WHOLE)
    assert (site.site.name, str(site.site.zone_info)) == ("depot-7", "Europe/Berlin")
    gate = site.camera("gate-north")
    rule = site.rule("climb-fence")
    assert gate is not None
    assert rule is not None
    assert gate.url.get_secret_value() == ENVIRONMENT["GATE_URL"]
    assert gate.zones["fence"] == ((0.1, 0.4), (0.9, 0.4), (0.9, 0.6))
    assert (rule.severity, rule.cooldown, rule.timing.threshold, rule.timing.release) == (Severity.HIGH, 90.0, 0.7, 0.3)
    assert (rule.schedule[0].start, rule.schedule[0].end) == (time(22), time(6))
    assert site.settings == {"alerting": {"retry_to": "5m"}}


def test_rules_find_their_cameras() -> None:
    """A rule looks at cameras by id or label; a camera knows its rules."""
    site = parse(WHOLE)
    seen = {camera.id: [rule.id for rule in site.rules_for(camera)] for camera in site.cameras}
    assert seen == {"gate-north": ["climb-fence", "loitering"], "hall": []}


def test_rules_find_their_channels() -> None:
    """A rule tells the channels it names, or all when it names none; a channel's name is its key."""
    site = parse(WHOLE)
    told = {rule.id: [channel.name for channel in site.channels_for(rule)] for rule in site.rules}
    assert told == {"climb-fence": ["guards"], "loitering": ["guards", "office"]}


def test_nothing_is_there_under_a_wrong_name() -> None:
    """Looking for what is not in the file gives None."""
    site = parse(WHOLE)
    assert (site.camera("nowhere"), site.rule("never")) == (None, None)


def test_secrets_are_listed_for_the_log_filter() -> None:
    """Camera passwords, webhooks, signing secrets and the model server's key."""
    site = parse(WHOLE)
    assert list(site.secrets()) == [
        "pw-of-ada",
        ENVIRONMENT["HOOK"],
        "signing-key",
        "https://example.org/hook",
    ]


@pytest.mark.parametrize(
    ("url", "password"),
    [("rtsp://ada:p@ss@cam/1", "p@ss"), ("rtsp://ada:p:ss@cam/1", "p:ss"), ("rtsp://:only@cam/1", "only")],
)
def test_camera_passwords_are_found_as_cameras_take_them(url: str, password: str) -> None:
    """An @ or a colon inside a password does not cut it short."""
    site = parse("cameras: [{id: gate, url: '${URL}'}]", URL=url)
    assert list(site.secrets()) == [password]


def test_secrets_do_not_show_when_a_site_is_printed() -> None:
    """The text form of a site masks what came from the environment."""
    text = repr(parse(WHOLE))
    assert not [value for value in ENVIRONMENT.values() if value in text]


def test_a_missing_variable_is_named_with_the_nearest() -> None:
    """The line, the variable, and the one that was probably meant."""
    problem = only("cameras:\n  - id: gate\n    url: ${GATE_ULR}\n")
    assert (problem.line, problem.where) == (3, "cameras[0].url")
    assert "GATE_ULR is not set" in problem.message
    assert problem.hint == "did you mean GATE_URL?"


def test_a_missing_variable_without_a_near_one_says_how_to_set_it() -> None:
    """The way out is an export."""
    assert only("cameras: [{id: a, url: '${ZZZZ}'}]").hint == "export ZZZZ=… before starting"


def test_a_variable_may_stand_inside_a_text() -> None:
    """Only the variable is replaced, and a value that looks like one is left as it is."""
    site = parse("cameras: [{id: a, url: 'rtsp://${HOST}/1'}]", HOST="cam${KEY}")
    assert site.cameras[0].url.get_secret_value() == "rtsp://cam${KEY}/1"


@pytest.mark.parametrize(
    "channel",
    [
        "{webhook: ['${HOOK}']}",
        "{webhook: 'https://x', timeout: '${HOOK}'}",
        "'${HOOK}'",
        "{webhook: {url: '${HOOK}'}}",
    ],
    ids=["list", "wrong key", "bare", "mapping"],
)
def test_a_problem_does_not_show_what_came_from_the_environment(channel: str) -> None:
    """A secret in the wrong place is shown as its variable, in message and traceback."""
    with pytest.raises(SiteFileError) as caught:
        parse(f"{CAMERA}channels: {{guards: {channel}}}\n")
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in shown


@pytest.mark.parametrize("secret", [r"it's\"s3\cret", r"s3\cret", "s3cr\x00et", "s3\ncret's", '"s3\tcret"'])
@pytest.mark.parametrize("around", ["${KEY}", "it's ${KEY}", '"${KEY}"'])
def test_a_secret_is_not_shown_in_quotes_either(secret: str, around: str) -> None:
    """Whatever Python escapes in it."""
    (problem,) = problems(f"site: {{timezone: {json.dumps(around)}}}\n{CAMERA}", KEY=secret)
    assert "s3" not in problem.message
    assert "${KEY}" in problem.message


def test_a_number_beyond_all_measure_is_a_problem() -> None:
    """Not one that Python would refuse to write out."""
    (problem,) = problems(f"site: {{timezone: 0x{'f' * 6000}}}\n{CAMERA}")
    assert problem.where == "site.timezone"


@pytest.mark.parametrize(
    ("text", "line", "where", "message", "hint"),
    [
        ("camera: []\n" + CAMERA, 1, "camera", "unknown key 'camera'", "did you mean cameras?"),
        ("cameras:\n  - id: a\n    url: b\n    lables: [x]\n", 4, "cameras[0].lables", "unknown key", "labels"),
        (CAMERA + "settings: {alerting: {worker: 3}}\n", 2, "settings.alerting.worker", "unknown key", "workers"),
        (CAMERA + "settings:\n  log_level: loud\n", 3, "settings.log_level", "got 'loud'", ""),
        ("site:\n  timezone: Europe/Berln\n" + CAMERA, 2, "site.timezone", "did you mean Europe/Berlin?", ""),
        ("site: {language: English}\n" + CAMERA, 1, "site.language", "got 'English'", ""),
        ("rules: []\n", 1, "cameras", "is required and not given", ""),
        ("cameras: []\n", 1, "cameras", "at least 1 item", ""),
        ("cameras: [{id: a, url: b}, {id: a, url: c}]", 1, "cameras[1].id", "the id 'a' is already taken", ""),
        ("cameras:\n  - id: a\n    url: b\n    url: c\n", 4, "cameras[0].url", "the same key stands here twice", ""),
        ("cameras: [{id: 'a b', url: c}]", 1, "cameras[0].id", "got 'a b'", ""),
        ("cameras: [{id: off, url: b}]", 1, "cameras[0].id", "got False", "put it in quotes"),
        (
            "cameras:\n  - {id: a, url: b, zones: {z: [[0, 0], [1, 1]]}}",
            2,
            "cameras[0].zones.z",
            "expected at least 3 points, got 2",
            "",
        ),
        ("cameras: [{id: a, url: b, zones: {z: [[0, 0], [1, 2], [1, 1]]}}]", 1, "cameras[0].zones.z[1][1]", "1", ""),
        (CAMERA + "channels: {g: {name: x, webhook: y}}", 2, "channels", "name is its key", ""),
        (CAMERA + "channels: {g: {webhook: y, format: teams}}", 2, "channels.g.format", "got 'teams'", ""),
        ("site: {name: 2026-13-45}\n" + CAMERA, 1, "site.name", "month must be in 1..12", ""),
    ],
    ids=[
        "unknown key", "unknown key of a camera", "unknown setting", "wrong setting", "time zone", "language",
        "no cameras", "empty cameras", "same id", "same key", "not an identifier", "off", "two points",
        "outside the picture", "channel with a name", "unknown format", "no date",
    ],
)  # fmt: skip
def test_one_mistake_gives_one_problem_at_its_place(text: str, line: int, where: str, message: str, hint: str) -> None:
    """File, line, what was expected or came, and the nearest right name; nothing besides."""
    problem = only(text)
    assert (problem.line, problem.where) == (line, where)
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("rule", "where", "message", "hint"),
    [
        (
            "track: {enters: dor}",
            "rules[0].track.enters",
            "no zone of camera gate is called 'dor'",
            "did you mean door?",
        ),
        ("track: {crosses: curb}", "rules[0].track.crosses", "no line of camera gate is called 'curb'", "kerb"),
        (
            "track: {faster_than: 2}, zone: x",
            "rules[0].zone",
            "no zone of camera gate is called 'x'",
            "there are: door",
        ),
        ("track: {faster_than: 2}, cameras: gat", "rules[0].cameras[0]", "'gat'", "did you mean gate?"),
        ("track: {faster_than: 2}, notify: guards", "rules[0].notify[0]", "'guards'", "there are: none"),
        ("when: a person climbs", "rules[0].when", "needs an encoder", "track:"),
        ("track: {object: person, enters: door}", "rules[0].track.object", "cannot tell a person", "object: any"),
        ("track: {enters: door, leaves: door}", "rules[0].track", "exactly one of", ""),
        ("track: {enters: door, longer_than: 5s}", "rules[0].track", "longer_than goes with inside", ""),
        ("zone: door", "rules[0]", "exactly one of when, track", ""),
        ("track: {enters: door}, cooldown: soon", "rules[0].cooldown", "a duration such as 45s", ""),
        ("track: {enters: door}, schedule: 22:00", "rules[0].schedule", "got '22:00'", ""),
        ("track: {enters: door}, schedule: [fry 22:00-23:00]", "rules[0].schedule", "days such as mon-fri", ""),
        (
            "track: {enters: door}, timing: {threshold: 0.4, release: 0.5}",
            "rules[0].timing",
            "must not be above threshold",
            "",
        ),
        ("track: {enters: door}, severity: urgent", "rules[0].severity", "got 'urgent'", ""),
    ],
)
def test_one_mistake_in_a_rule_gives_one_problem(rule: str, where: str, message: str, hint: str) -> None:
    """A rule that cannot work is refused with the reason and, where there is one, the nearest right name."""
    problem = only(with_rule(rule))
    assert (problem.line, problem.where) == (3, where)
    assert message in problem.message
    assert hint in problem.hint


def test_a_message_says_only_once_what_came() -> None:
    """What was wrong is quoted a single time."""
    assert str(only(with_rule("track: {enters: door}, cooldown: soon"))).count("soon") == 1


def test_all_problems_are_told_at_once() -> None:
    """Three mistakes, three problems."""
    found = problems("cameras:\n  - {id: a, ulr: b}\n  - {id: 'c d', url: e}\n")
    assert [problem.where for problem in found] == ["cameras[0].url", "cameras[0].ulr", "cameras[1].id"]


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "- a\n", "hello", "a: [b\n", "a:\n\t- b\n", "a: \x00\n", "a: 1\n---\nb: 2\n", "a: &a [*a]\n",
     "a: " + "[" * 3000, "site: {name: !env X}\n", "{[a, b]: c}\n", "*nobody\n",
     "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))],
    ids=["empty", "comment", "list", "word", "open bracket", "tab", "nul", "two documents", "alias of itself",
         "too deep", "unknown tag", "list as key", "unknown alias", "aliases of aliases"],
)  # fmt: skip
def test_what_is_no_site_file_is_refused_in_words(text: str) -> None:
    """However broken the YAML, the answer is a problem and never a crash."""
    assert all(problem.message for problem in problems(text))


def test_the_line_of_broken_yaml_is_told() -> None:
    """The place is where the reader stumbled."""
    assert only("cameras:\n  - id: a\n   url: b\n").line == 3


@pytest.mark.parametrize(
    "schedule", ['"22:00-06:00"', "22:00-06:00", "[mon-fri 08:00-18:00, 'sat,sun 00:00-24:00']", "9:00-17:30"]
)
def test_schedules_are_read_with_and_without_quotes(schedule: str) -> None:
    """What an operator writes is what is meant, though YAML 1.1 knows numbers to the base of 60."""
    assert parse(with_rule(f"track: {{enters: door}}, schedule: {schedule}")).rules[0].schedule


def test_aliases_save_typing() -> None:
    """An anchor's value may be used again."""
    site = parse("cameras:\n  - {id: a, url: b, sampling: &s {idle_fps: 1}}\n  - {id: c, url: d, sampling: *s}\n")
    assert [camera.sampling.idle_fps for camera in site.cameras] == [1, 1]


def test_the_environment_does_not_make_a_site_file_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong variable of the program is not blamed on the file."""
    monkeypatch.setenv("SIGHTLINE_LOG_LEVEL", "loud")
    assert parse(CAMERA).settings == {}


def test_a_file_is_read_with_its_name_in_messages(tmp_path: Path) -> None:
    """Messages begin with the path that was given."""
    path = tmp_path / "depot.yaml"
    path.write_text("cameras: []\n")
    with pytest.raises(SiteFileError) as caught:
        load_site(path, {})
    assert str(caught.value).startswith(f"{path}: line 1: cameras: ")


@pytest.mark.parametrize("kind", ["missing", "folder", "not text"])
def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    """A wrong path, a folder or bytes that are no text: one clear error."""
    path = tmp_path / "site.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "not text":
        path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"site\.yaml"):
        load_site(path, {})


TOLD = """
site: {policy: Only people count., questions: "Is anybody over the fence?"}
cameras: [{id: gate, url: x.mp4, scene: {place: a gate, normal: lorries, hazards: [the railway, the river]}}]
"""


def test_what_the_model_is_told_of_a_place_stands_in_the_site_file() -> None:
    """Policy and checklist of the site, a card of each camera; one entry may stand for a list, for editors too."""
    site = parse_site(TOLD, "site.yaml", {})
    jsonschema.validate(yaml.safe_load(TOLD), site_schema())
    scene = site.cameras[0].scene
    assert scene is not None
    assert (scene.normal, scene.hazards) == (("lorries",), ("the railway", "the river"))
    assert site.site.questions == ("Is anybody over the fence?",)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (("place: a gate", "place: [a gate]"), "cameras[0].scene.place"),
        (("normal: lorries", "normal: 7"), "cameras[0].scene.normal"),
        (("normal: lorries", "usual: lorries"), "cameras[0].scene.usual"),
        (("the river", "x" * 201), "cameras[0].scene.hazards[1]"),
        (("Only people count.", "x" * 8001), "site.policy"),
    ],
    ids=["place", "number", "unknown", "long hazard", "long policy"],
)
def test_a_mistake_in_what_the_model_is_told_is_named(change: tuple[str, str], where: str) -> None:
    """With its place in the file."""
    with pytest.raises(SiteFileError) as raised:
        parse_site(TOLD.replace(*change), "site.yaml", {})
    assert [problem.where for problem in raised.value.problems] == [where]


def test_the_kept_schema_is_the_present_one() -> None:
    """`docs/site.schema.json` is what `sightline check --schema` prints now."""
    kept = Path(__file__).parents[1] / "docs" / "site.schema.json"
    assert json.loads(kept.read_text()) == site_schema()


def test_the_schema_takes_what_the_program_takes() -> None:
    """An editor that follows the JSON Schema accepts the example."""
    schema = site_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(WHOLE), schema)


@pytest.mark.parametrize(
    "change",
    [
        {"camera": []},
        {"cameras": []},
        {"channels": {"g": {"webhook": "x", "name": "g"}}},
        {"settings": {"alerting": {"worker": 1}}},
        {"rules": [{"id": "r", "severity": "urgent"}]},
    ],
    ids=["unknown key", "no cameras", "channel with a name", "unknown setting", "wrong word"],
)
def test_the_schema_refuses_what_the_program_refuses(change: dict[str, Any]) -> None:
    """An editor underlines the same mistakes."""
    document = {"cameras": [{"id": "a", "url": "b"}]} | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, site_schema())
