"""`sightline check`: is this site file right, and what was understood from it? Never touches the network,
unless `--with-models` names a model that is not here yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import time
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from pipeline.cli.configuration import JsonOption, settings_for
from pipeline.cli.output import EXIT_USAGE, err, out, plain, say_json
from pipeline.cli.rule_words import rule_in_words
from pipeline.contracts.camera import Camera
from pipeline.contracts.observation import TextEncoder
from pipeline.contracts.rule import DAYS, Rule, Schedule
from pipeline.errors import ConfigError, SiteFileError
from pipeline.site import BUILTIN_MODEL, Site, load_site, site_schema
from pipeline.telemetry import hide_credentials

_SURE = 0.6
"""That a rule's least certain part is as read; under it the operator is told."""
_LOOK: dict[str, Any] = {"box": SIMPLE, "pad_edge": False}


def check(
    site_path: Annotated[
        Path | None, typer.Argument(metavar="SITE.YAML", help="The site file.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of site files, for editors.")] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a commented site file to start from.")] = False,
    with_models: Annotated[
        bool, typer.Option("--with-models", help="Load the models and tell what they make of the rules' words, too.")
    ] = False,
) -> None:
    """Check a site file and say what was understood.

    Every mistake is named with its line, what was expected and the nearest right name. Hints say which words of
    rules an encoder cannot score, and what to write instead; they change nothing about the exit status.

    \b
      sightline check --example > site.yaml
      sightline check site.yaml
      sightline check --example | sightline check -
      sightline check site.yaml --json | jq .problems
      sightline check --schema > site.schema.json
    """
    if schema:
        say_json(site_schema())
    elif example:
        typer.echo(example_site(), nl=False)
    elif site_path is None:
        raise ConfigError("name the site file: sightline check site.yaml (--example prints one to start from)")
    elif as_json:
        _check_for_script(site_path, with_models)
    else:
        site = load_site(site_path)
        _show(site, site_path)
        for hint in _hints(site, with_models):
            err().print(Text(plain(f"hint: rule {hint['rule']}: {hint['problem']}")))
            err().print(Text(plain(f"      {hint['suggestion']}")))


def example_site() -> str:
    """The commented example that ships with the program."""
    return (files("pipeline.cli") / "templates" / "site.example.yaml").read_text(encoding="utf-8")


def _check_for_script(path: Path, with_models: bool) -> None:
    try:
        site = load_site(path)
    except SiteFileError as error:
        problems = [{"line": p.line, "where": p.where, "message": p.message, "hint": p.hint} for p in error.problems]
        say_json({"ok": False, "file": str(path), "problems": problems})
        raise typer.Exit(EXIT_USAGE) from error
    except ConfigError as error:
        problems = [{"line": 0, "where": "file", "message": str(error), "hint": ""}]
        say_json({"ok": False, "file": str(path), "problems": problems})
        raise typer.Exit(EXIT_USAGE) from error
    say_json({"ok": True, "file": str(path), **_understood(site), "hints": _hints(site, with_models)})


def _hints(site: Site, with_models: bool) -> list[dict[str, str]]:
    """What is to be said of the words of the rules that are on."""
    from pipeline.events.wording import remarks

    rules = [rule for rule in site.rules if rule.enabled and rule.when is not None]
    with _encoder(site) if with_models and rules else nullcontext() as encoder:
        hints = [
            {"rule": rule.id, "problem": remark.problem, "suggestion": remark.suggestion}
            for index, rule in enumerate(rules)
            for remark in remarks(rule, model_id=site.models.encoder, encoder=encoder, others=rules[:index])
        ]
    return hints + (_misread(site) if with_models else [])


def _misread(site: Site) -> list[dict[str, str]]:
    """Rules that the built-in model judges and does not understand, or reads with doubt."""
    from pipeline.reasoning.prompt import question_of
    from pipeline.reasoning.vlm_builtin import KNOWN, BuiltinVlm

    judged = [rule for rule in site.all_rules if rule.enabled and rule.verify == "vlm"]
    if BUILTIN_MODEL not in (site.models.vlm, site.models.strong_vlm) or not judged:
        return []
    hints = []
    with closing(BuiltinVlm()) as model:
        for rule in judged:
            words, read = question_of(rule), model.reads(question_of(rule))
            if not read.is_understood:
                problem = f"the built-in model does not know what {words!r} asks for, and will never confirm it"
                hints.append({"rule": rule.id, "problem": problem, "suggestion": KNOWN})
            elif read.score < _SURE:
                problem = f"the built-in model reads {words!r} as: {read} ({read.score:.0%} sure)"
                hints.append({"rule": rule.id, "problem": problem, "suggestion": "say it in fewer, plainer words"})
    return hints


@contextmanager
def _encoder(site: Site) -> Iterator[TextEncoder | None]:
    """The site's encoder, warm; `ConfigError` when it cannot be loaded."""
    from pipeline.perception.encoder import load_encoder

    encoder = load_encoder(site.models.encoder, settings_for(site, log_level="error").perception)
    if encoder is None:
        yield None
        return
    try:
        encoder.warm_up()
        yield encoder
    finally:
        encoder.close()


def _understood(site: Site) -> dict[str, Any]:
    """The site in short, without secrets."""
    return {
        "site": site.site.model_dump(),
        "models": site.models.model_dump(exclude={"vlm_api_key", "strong_vlm_api_key"}),
        "cameras": [
            {
                "id": camera.id,
                "url": _shown_url(camera),
                "zones": list(camera.zones),
                "lines": list(camera.lines),
                "rules": [rule.id for rule in site.rules_for(camera)],
            }
            for camera in site.cameras
        ],
        "rules": [
            rule.model_dump(mode="json", include={"id", "severity", "verify", "enabled"}) for rule in site.all_rules
        ],
        "channels": {name: channel.format for name, channel in site.channels.items()},
        "problems": [],
    }


def _shown_url(camera: Camera) -> str:
    return plain(hide_credentials(camera.url.get_secret_value()))


def _show(site: Site, path: Path) -> None:
    console = out()
    models = ", ".join(f"{role} {name}" for role, name in _understood(site)["models"].items())
    console.print(
        f"{'standard input' if str(path) == '-' else path} is right: "
        f"site {site.site.name}, {site.site.timezone}; {models}"
    )
    console.print(_camera_table(site))
    console.print(_rule_table(site))
    if site.channels:
        console.print(_channel_table(site))
    for remark in _remarks(site):
        err().print(f"note: {remark}")


def _camera_table(site: Site) -> Table:
    """Cameras, each with the rules that look at it."""
    table = Table("camera", "read from", "zones and lines", "rules", **_LOOK)
    for camera in site.cameras:
        drawn = ", ".join((*camera.zones, *camera.lines)) or "-"
        rules = ", ".join(rule.id for rule in site.rules_for(camera) if rule.enabled) or "none"
        table.add_row(camera.id, _shown_url(camera), drawn, rules)
    return table


def _rule_table(site: Site) -> Table:
    table = Table("rule", "what", "when it is on", "severity", "tells", **_LOOK)
    for rule in site.all_rules:
        told = ", ".join(channel.name for channel in site.channels_for(rule)) or "nobody"
        table.add_row(rule.id, plain(rule_in_words(rule)), _hours(rule), rule.severity.value, told)
    return table


def _channel_table(site: Site) -> Table:
    table = Table("channel", "format", "tells", "from severity", **_LOOK)
    for name, channel in site.channels.items():
        table.add_row(name, channel.format, ", ".join(channel.tell), channel.min_severity.value)
    return table


def _hours(rule: Rule) -> str:
    if not rule.enabled:
        return "off"
    return "; ".join(_span(schedule) for schedule in rule.schedule) or "always"


def _span(schedule: Schedule) -> str:
    days = ",".join(day for day in DAYS if day in schedule.days) if len(schedule.days) < len(DAYS) else "daily"
    days = days.replace("mon,tue,wed,thu,fri", "mon-fri")
    until = "24:00" if schedule.end == time(0) else f"{schedule.end:%H:%M}"
    return f"{days} {schedule.start:%H:%M}-{until}"


def _remarks(site: Site) -> list[str]:
    """What is allowed but may not be meant."""
    remarks = []
    if not site.rules:
        remarks.append("there are no rules, so nothing that a camera sees will ever be alerted")
    if site.rules and not site.channels:
        remarks.append("there are no channels: incidents are kept and shown, nobody is told")
    remarks += [
        f"no camera is looked at by rule {r.id}"
        for r in site.rules
        if not any(c.matches(r.cameras) for c in site.cameras)
    ]
    return remarks
