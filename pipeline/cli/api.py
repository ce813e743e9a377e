"""`sightline api`: the HTTP API over what a run keeps, beside the run or after it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.configuration import DataDirOption, SiteOption
from pipeline.cli.mcp import read_address
from pipeline.cli.output import err
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.cli.asking import Opened
    from pipeline.console.access import AccessBook
    from pipeline.console.host import Host

_POLL_SECONDS = 0.5


def api(
    http: Annotated[str, typer.Option("--http", metavar="HOST:PORT", help="Where to listen.")] = "127.0.0.1:8484",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let --http name more than loopback; put HTTPS before it then.")
    ] = False,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
) -> None:
    """Serve the HTTP API under /api/v1, with accounts, roles and an audit log.

    It reads what a run keeps and writes what people decide, while the run goes on. Without any account a one-time link
    secret is printed; `sightline users add` makes accounts too. Needs pip install 'sightline[console]'.

    \b
      sightline api --site site.yaml
      sightline api --site site.yaml --http 0.0.0.0:8484 --allow-remote
    """
    try:
        from pipeline.console.server import ConsoleServer, make_app
    except ModuleNotFoundError as error:
        raise ConfigError("the API needs pip install 'sightline[console]'") from error
    from pipeline.cli.asking import opened_archive
    from pipeline.cli.signals import stop_on_signals

    address, port = read_address(http, allow_remote=True)  # the server refuses by itself what is not allowed
    with opened_archive(data_dir, site) as opened:
        book = _book(opened)
        server = ConsoleServer(make_app(_host(opened, site), book), address, port, allow_remote=allow_remote)
        stop = threading.Event()
        with stop_on_signals(stop) as interruption:
            server.start()
            err().print(f"serving {server.url}/api/v1, described by {server.url}/api/v1/openapi.json")
            _tell_first_link(book, server.url)
            while not stop.wait(_POLL_SECONDS):
                pass
            server.stop()
    raise typer.Exit(interruption.exit_status)


def _host(opened: Opened, site_path: Path | None) -> Host:
    """Without live pictures, the bus and the site file's desk: what a data folder alone can tell."""
    from pipeline.cli.incidents import plan_of
    from pipeline.cli.times import window_around
    from pipeline.cli.why_command import for_script, question_about
    from pipeline.console.host import Host
    from pipeline.incidents.recorder import IncidentRecorder

    stores, archive = opened.stores, opened.archive

    def why(camera_id: str, rule_id: str | None, at: datetime, window_seconds: float) -> Mapping[str, Any]:
        window = window_around(at, window_seconds)
        return for_script(question_about(stores, archive.zone, site_path, camera_id, rule_id, window))

    return Host(
        site=lambda: opened.site,
        archive=lambda: archive,
        outbox=stores.outbox,
        coverage=stores.coverage,
        changes=IncidentRecorder(stores.incidents, plan_of(site_path), archive.clock),
        why=why,
        version=version("sightline"),
        moments=archive.moments,
    )


def _book(opened: Opened) -> AccessBook:
    from pipeline.console.access import Access, AccessBook
    from pipeline.store.people import SqlPeople

    cameras = opened.archive.cameras
    access = Access(lambda camera_id: cameras.get(camera_id, ()))
    return AccessBook(SqlPeople(opened.stores.database), access, opened.archive.clock, opened.settings.access)


def _tell_first_link(book: AccessBook, url: str) -> None:
    secret = book.first_link_secret()
    if secret is not None:
        err().print(
            "no account yet; within the hour, once:\n"
            f"  curl {url}/api/v1/session/first -H 'Content-Type: application/json' \\\n"
            f'    -d \'{{"link": "{secret}", "name": "anna", "password": "…"}}\'',
            soft_wrap=True,
            highlight=False,
        )
