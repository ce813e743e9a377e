"""`sightline channels test` and `sightline replay-dead-letters`: can we tell, and telling again what failed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data, settings_for, start_logging
from pipeline.cli.output import EXIT_FAILED, counted, headline, local_time, out, plain, say_json
from pipeline.clock import SystemClock
from pipeline.contracts.alert import Channel, DueDelivery
from pipeline.errors import ConfigError
from pipeline.site import Site, load_site

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Try the channels of a site file.")
_MOST_LISTED = 1000


@app.callback()
def channels() -> None:
    """Try the channels of a site file."""


@app.command("test")
def send_test(
    name: Annotated[str, typer.Argument(help="The channel's name in the site file.")],
    site_path: Annotated[Path, typer.Option("--site", metavar="SITE.YAML", help="The site file.")],
    as_json: JsonOption = False,
) -> None:
    """Send a channel one test message.

    It is clearly marked as a test; what came of it is said.

    \b
      sightline channels test guards --site site.yaml
    """
    from pipeline.alerting.trial import try_channel
    from pipeline.alerting.webhook import WebhookSender

    site = load_site(site_path)
    start_logging(settings_for(site, log_level="warning"), site)
    sender = WebhookSender(site.site.name, site.site.timezone)
    trial = try_channel(_channel(site, name), sender, SystemClock())
    if as_json:
        say_json(asdict(trial))
    elif trial.is_ok:
        out().print(f"{name}: answered {trial.status} in {trial.latency_seconds * 1000:.0f} ms")
    else:
        out().print(f"{name}: {plain(trial.problem)}")
    if not trial.is_ok:
        raise typer.Exit(EXIT_FAILED)


def _channel(site: Site, name: str) -> Channel:
    if name not in site.channels:
        raise ConfigError(f"no channel is called {name!r}; there are: {', '.join(site.channels) or 'none'}")
    return site.channels[name]


def replay_dead_letters(
    only_list: Annotated[bool, typer.Option("--list", help="Show what was given up; change nothing.")] = False,
    ids: Annotated[list[str] | None, typer.Option("--id", help="Replay this delivery; may be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Replay all of them.")] = False,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send messages to receivers again that were given up.

    After a day of trying, a delivery is set aside. Replayed, the running (or the next) `sightline run` sends it.
    Records of the Kafka bus that no stage could use are another matter: see `sightline dead-letters`.

    \b
      sightline replay-dead-letters --list --site site.yaml
      sightline replay-dead-letters --all --site site.yaml
    """
    if sum((only_list, bool(ids), everything)) != 1:
        raise ConfigError("say what to do: --list, --id ID (may be repeated) or --all")
    with kept_data(data_dir, site) as (stores, zone):
        if only_list:
            dead = stores.outbox.dead(_MOST_LISTED)
            if as_json:
                say_json([letter.delivery.model_dump(mode="json") for letter in dead])
            else:
                out().print("\n".join(_line(letter, local_time(_gave_up(letter), zone)) for letter in dead) or "none")
            return
        replayed = stores.outbox.replay(None if everything else ids, datetime.now(UTC))
        if as_json:
            say_json({"replayed": replayed})
        else:
            out().print(f"{counted(replayed, 'delivery', 'deliveries')} will be sent again")
        if ids and replayed < len(set(ids)):
            raise typer.Exit(EXIT_FAILED)


def _gave_up(letter: DueDelivery) -> datetime:
    return letter.delivery.finished_at or letter.delivery.next_attempt_at


def _line(letter: DueDelivery, at: str) -> str:
    delivery, change = letter.delivery, letter.change
    what = f"{change.kind.value}: {headline(change.incident)}"
    return plain(f"{delivery.id}  given up {at} after {delivery.attempts} attempts  {what}  ({delivery.last_error})")
