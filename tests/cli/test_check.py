"""`sightline check`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli.check import example_site
from pipeline.cli.program import app
from pipeline.cli.rule_words import rule_in_words
from pipeline.contracts.rule import Rule
from tests.support.perception import make_clip

SITE = """
cameras:
  - {id: yard, url: "rtsp://guard:hunter22@10.0.0.7/stream", zones: {fence: [[0, 0], [1, 0], [1, 1]]}}
rules:
  - {id: entry, track: {enters: fence}}
channels:
  guards: {webhook: "https://example.org/hook/verysecret"}
"""
WRONG = """
cameras:
  - {id: yard, url: x.mp4, zones: {fence: [[0, 0], [1, 0], [1, 1]]}}
rules:
  - {id: entry, track: {enters: fense}}
  - {id: climb, when: a person climbs}
"""


def check(*arguments: str | Path) -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["check", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_example_passes_the_check(tmp_path: Path) -> None:
    """`check --example` prints a file that `check` finds right, with no environment at all."""
    status, text, _ = check("--example")
    (tmp_path / "site.yaml").write_text(text)
    assert (status, text) == (0, example_site())
    assert check(tmp_path / "site.yaml")[0] == 0


def test_says_what_was_understood_without_secrets(tmp_path: Path) -> None:
    """Cameras with their rules, rules in words and channels are shown; passwords and webhook URLs are not."""
    (tmp_path / "site.yaml").write_text(SITE)
    status, shown, _ = check(tmp_path / "site.yaml")
    assert status == 0
    for word in ("yard", "entry", "anything enters", "guards"):
        assert word in shown
    assert "hunter22" not in shown
    assert "verysecret" not in shown


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """All that is wrong comes with its line and the nearest right name, on standard error, with exit status 2."""
    (tmp_path / "site.yaml").write_text(WRONG)
    status, shown, problems = check(tmp_path / "site.yaml")
    assert (status, shown) == (2, "")
    assert "line 5: rules[0].track.enters" in problems
    assert "did you mean fence?" in problems
    assert "line 6: rules[1].when: a rule in words needs an encoder" in problems
    assert "Traceback" not in problems


def test_problems_as_json(tmp_path: Path) -> None:
    """A script gets the problems as data, and the same exit status."""
    (tmp_path / "site.yaml").write_text(WRONG)
    status, shown, _ = check(tmp_path / "site.yaml", "--json")
    answer = json.loads(shown)
    assert (status, answer["ok"]) == (2, False)
    assert [problem["line"] for problem in answer["problems"]] == [5, 6]


def test_what_was_understood_as_json(tmp_path: Path) -> None:
    """A right file is described as data, without secrets."""
    (tmp_path / "site.yaml").write_text(SITE)
    status, shown, _ = check(tmp_path / "site.yaml", "--json")
    answer = json.loads(shown)
    assert (status, answer["ok"], answer["problems"]) == (0, True, [])
    assert answer["cameras"][0]["rules"] == ["entry"]
    assert "hunter22" not in shown


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_a_file_that_is_not_there(tmp_path: Path, form: tuple[str, ...]) -> None:
    """A missing file is one message that says how to start, exit status 2."""
    status, shown, problem = check(tmp_path / "none.yaml", *form)
    assert status == 2
    assert "check --example" in shown + problem


def test_the_schema_describes_the_example() -> None:
    """`check --schema` prints a JSON Schema that the example satisfies."""
    status, text, _ = check("--schema")
    assert status == 0
    jsonschema.validate(yaml.safe_load(example_site()), json.loads(text))


def test_neither_file_nor_option_is_wrong_usage() -> None:
    """`check` alone says what to name."""
    status, _, problem = check()
    assert status == 2
    assert "name the site file" in problem


def words_site(folder: Path, encoder: object = "clip") -> Path:
    """A site whose first rule no encoder can score, and whose other two say the same."""
    rules = {
        "helmets": "nobody wears a helmet",
        "climb": "a person climbs the fence",
        "twin": "a person climbs the fence",
    }
    body = {
        "models": {"encoder": str(encoder)},
        "cameras": [{"id": "yard", "url": "x.mp4"}],
        "rules": [{"id": name, "when": words} for name, words in rules.items()],
    }
    (folder / "site.yaml").write_text(yaml.safe_dump(body))
    return folder / "site.yaml"


def test_words_that_cannot_be_scored_are_hinted_at(tmp_path: Path) -> None:
    """A hint names rule, words and what to write instead; the file is right all the same, and no model is loaded."""
    status, shown, told = check(words_site(tmp_path, encoder="owner/nowhere"))
    assert status == 0
    assert "helmets" in shown
    assert "hint: rule helmets: “nobody”: an encoder does not read negations" in told
    assert "when: a worker with a bare head" in told
    assert "rule climb" not in told


def test_hints_as_json(tmp_path: Path) -> None:
    """A script gets the same hints as data."""
    status, shown, _ = check(words_site(tmp_path), "--json")
    (hint,) = json.loads(shown)["hints"]
    assert (status, hint["rule"]) == (0, "helmets")
    assert set(hint) == {"rule", "problem", "suggestion"}


def test_disabled_rules_get_no_hints(tmp_path: Path) -> None:
    """What is off need not be right yet."""
    site = words_site(tmp_path)
    body = yaml.safe_load(site.read_text())
    body["rules"][0]["enabled"] = False
    site.write_text(yaml.safe_dump(body))
    assert json.loads(check(site, "--json")[1])["hints"] == []


@pytest.mark.models
def test_hints_by_the_encoder(tmp_path: Path) -> None:
    """With `--with-models`, the encoder also says which rules it cannot tell apart."""
    make_clip(tmp_path / "clip")
    status, shown, _ = check(words_site(tmp_path, encoder=tmp_path / "clip"), "--with-models", "--json")
    hints = json.loads(shown)["hints"]
    assert status == 0
    assert any(hint["rule"] == "twin" and "cannot tell it from rule climb" in hint["problem"] for hint in hints)


def test_an_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """`--with-models` needs the model, and says so."""
    status, _, told = check(words_site(tmp_path, encoder=tmp_path / "nothing"), "--with-models")
    assert status == 2
    assert "models.encoder: expected a model's folder" in told


def test_with_models_needs_no_encoder(tmp_path: Path) -> None:
    """A site without one has nothing to load."""
    (tmp_path / "site.yaml").write_text(SITE)
    assert check(tmp_path / "site.yaml", "--with-models")[0] == 0


JUDGED = """
site: {name: depot, timezone: UTC}
models: {detector: builtin, vlm: builtin}
cameras: [{id: yard, url: "file:yard.mp4", zones: {fence: [[0, 0], [1, 0], [1, 1]]}}]
rules:
  - {id: lies, cameras: [yard], track: {object: person, inside: fence}, ask: a person is lying on the ground}
  - {id: smokes, cameras: [yard], track: {object: person, inside: fence}, ask: somebody is smoking a cigarette}
  - {id: own-words, cameras: [yard], track: {object: any, leaves: fence}}
"""


@pytest.mark.models
def test_rules_that_the_built_in_model_does_not_know_are_told(tmp_path: Path) -> None:
    """With `--with-models`, whatever it would answer with `cannot tell` whatever it saw."""
    pytest.importorskip("torch")
    (tmp_path / "site.yaml").write_text(JUDGED)
    status, shown, _ = check(tmp_path / "site.yaml", "--with-models", "--json")
    hints = {hint["rule"]: hint["problem"] for hint in json.loads(shown)["hints"]}
    assert (status, set(hints)) == (0, {"smokes", "own-words"})
    assert "does not know what 'somebody is smoking a cigarette' asks for" in hints["smokes"]


WORDS = [
    ({"track": {"enters": "a"}}, "anything enters a"),
    (
        {"track": {"object": ["person", "car"], "inside": "a", "longer_than": 45}},
        "person or car inside a longer than 45 s",
    ),
    ({"track": {"crosses": "k", "direction": "left_to_right"}}, "anything crosses k left to right"),
    ({"track": {"object": "car", "count_above": 3}, "zone": "a"}, "more than 3 car inside a"),
    ({"track": {"object": "bag", "left_behind": 30}}, "bag left behind 30 s"),
    ({"track": {"faster_than": 1.8}}, "anything faster than 1.8 of its own heights a second"),
    ({"when": "a person climbs", "zone": "a"}, "“a person climbs” inside a"),
]


@pytest.mark.parametrize(("rule", "words"), WORDS, ids=[words for _, words in WORDS])
def test_a_rule_in_words(rule: dict[str, object], words: str) -> None:
    """Each kind of rule is told as a sentence."""
    assert rule_in_words(Rule.model_validate({"id": "r", **rule})) == words


def test_a_dash_is_standard_input() -> None:
    """`sightline check --example | sightline check -` works, and mistakes have their lines."""
    runner = CliRunner()
    right = runner.invoke(app, ["check", "-"], input=example_site())
    assert (right.exit_code, right.stdout.split(":")[0]) == (0, "standard input is right")
    wrong = runner.invoke(app, ["check", "-"], input=WRONG)
    assert wrong.exit_code == 2
    assert "standard input: line 5: rules[0].track.enters" in wrong.stderr
