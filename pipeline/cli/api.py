"""`sightline api`: the console and its HTTP API over what is kept, in a process of its own.

Beside a run or after it, and in a cluster: with PostgreSQL and the bus in the settings it tells what they tell.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.configuration import DataDirOption, SiteOption, kept_data, settings_for
from pipeline.cli.console import MISSING, tell_first_link
from pipeline.cli.mcp import read_address
from pipeline.cli.output import EXIT_FAILED, err
from pipeline.clock import SystemClock
from pipeline.errors import ConfigError
from pipeline.settings import ConsoleSettings, Settings
from pipeline.site import Site, load_site

if TYPE_CHECKING:
    from pipeline.app.console import ConsoleSite, Parts
    from pipeline.app.stores import Stores

_POLL_SECONDS = 0.5


def api(
    http: Annotated[
        str | None,
        typer.Option("--http", metavar="HOST:PORT", help="Where to listen; 127.0.0.1:8484 unless the settings say."),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let it be more than loopback; put HTTPS before it then.")
    ] = False,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
) -> None:
    """Serve the console, and its HTTP API under /api/v1, over what is kept.

    `sightline run` serves it by itself; this is for a data folder without a run, and for a cluster, whose newest
    pictures and dead letters it reads from the bus. Without any account the address that makes the first is printed;
    `sightline users add` makes accounts too. Needs pip install 'sightline[console]'.

    \b
      sightline api --site site.yaml
      sightline api --site site.yaml --http 0.0.0.0:8484 --allow-remote
    """
    try:
        from pipeline.console.server import ConsoleServer, make_app
    except ModuleNotFoundError as error:
        raise ConfigError(MISSING) from error
    from pipeline.cli.run import following
    from pipeline.cli.signals import stop_on_signals

    known = load_site(site) if site else None
    settings = settings_for(known, data_dir=data_dir)
    place = _place(settings.console, http, allow_remote=allow_remote)
    with kept_data(data_dir, site) as (stores, zone), ExitStack() as undo:
        standing = _standing(undo, stores, known, site, settings, zone)
        book = standing.book(settings)
        app = make_app(standing.host(settings), book)
        server = ConsoleServer(app, place.address, place.port, allow_remote=place.allow_remote)
        undo.callback(server.stop)
        if known is not None and site is not None:
            undo.enter_context(following(site, known, standing.follow, polls=settings.ingest.reload))
        stop = threading.Event()
        with stop_on_signals(stop) as interruption:
            server.start()
            err().print(f"serving {server.url}, its API at {server.url}/api/v1")
            tell_first_link(book, server.url)
            while server.is_serving and not stop.wait(_POLL_SECONDS):
                pass
    raise typer.Exit(interruption.exit_status if stop.is_set() else EXIT_FAILED)


def _place(settings: ConsoleSettings, http: str | None, *, allow_remote: bool) -> ConsoleSettings:
    given: dict[str, object] = {"allow_remote": True} if allow_remote else {}
    if http is not None:
        address, port = read_address(http, allow_remote=True)  # the server refuses by itself what is not allowed
        given |= {"address": address, "port": port}
    return settings.model_copy(update=given)


def _standing(
    undo: ExitStack, stores: Stores, site: Site | None, site_path: Path | None, settings: Settings, zone: tzinfo
) -> ConsoleSite:
    from pipeline.app.console import ConsoleSite
    from pipeline.cli.asking import telling

    clock = SystemClock()
    parts = _parts(undo, site, site_path, settings)
    return ConsoleSite(stores, site, clock, telling(stores, site_path, zone, clock), parts)


def _parts(undo: ExitStack, site: Site | None, site_path: Path | None, settings: Settings) -> Parts:
    """What can be told without being the run: of the bus, where there is one, and of the site file."""
    from pipeline.app.console import Parts
    from pipeline.app.console_models import SiteModels
    from pipeline.app.site_desk import open_desk

    models = SiteModels(site, settings) if site else None
    if models is not None:
        undo.callback(models.close)
    desk = open_desk(site_path, settings) if site_path else None
    if not settings.bus.servers:
        return Parts(desk=desk, models=models)
    try:
        from pipeline.app.console_bus import BusCameras, BusLetters
    except ModuleNotFoundError as error:
        raise ConfigError("the bus of the settings needs pip install 'sightline[cluster]'") from error
    live = BusCameras(settings.bus, clock=SystemClock())
    undo.callback(live.close)
    return Parts(live=live, letters=BusLetters(settings.bus), desk=desk, models=models)
