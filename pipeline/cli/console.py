"""The console as the commands serve it: beside a run, and for `sightline api` over what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from pipeline.cli.output import err
from pipeline.clock import SystemClock
from pipeline.errors import ConfigError, SightlineError
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.telemetry import Metrics

if TYPE_CHECKING:
    from pipeline.app.console_beside import ConsoleBeside
    from pipeline.console.access import AccessBook
    from pipeline.runtime.local.runtime import LocalRuntime

log = structlog.get_logger()
MISSING = "the console needs pip install 'sightline[console]'"
_LEFT_OUT = "the run goes on without the console"


@contextmanager
def console_beside(
    runtime: LocalRuntime, site: Site, site_path: Path, settings: Settings, metrics: Metrics
) -> Iterator[Callable[[Site], None]]:
    """Serve the console of a run inside the block; gives what is to hear of changes of the site file.

    `ConfigError` when it was asked for and cannot be had; otherwise the run goes on without, and says so.
    """
    with ExitStack() as undo:
        follow = None
        if settings.console.enabled is not False:
            try:
                follow = _begin(undo, runtime, site, site_path, settings, metrics)
            except ModuleNotFoundError as error:
                _go_without(settings, ConfigError(MISSING), error)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the console, cameras are watched
                _go_without(settings, error)
                metrics.console_up.labels(f"http://{settings.console.address}:{settings.console.port}").set(0)
        yield follow or (lambda _site: None)


def _go_without(settings: Settings, error: Exception, cause: Exception | None = None) -> None:
    if settings.console.is_asked_for:
        raise error from cause
    if isinstance(error, SightlineError):
        log.warning(_LEFT_OUT, reason=str(error))
    else:
        log.exception(_LEFT_OUT)


def _begin(
    undo: ExitStack, runtime: LocalRuntime, site: Site, site_path: Path, settings: Settings, metrics: Metrics
) -> Callable[[Site], None]:
    from pipeline.app.console import ConsoleSite, Parts
    from pipeline.app.console_beside import ConsoleBeside
    from pipeline.app.console_live import RunCameras
    from pipeline.app.console_models import SiteModels
    from pipeline.app.site_desk import open_desk
    from pipeline.app.stores import open_stores
    from pipeline.cli.asking import telling
    from pipeline.console.server import ConsoleServer, make_app

    clock, file, place = SystemClock(), _file(site_path), settings.console
    with ExitStack() as begun:
        stores = open_stores(settings)
        begun.callback(stores.close)
        models = SiteModels(site, settings, runtime)
        begun.callback(models.close)
        parts = Parts(live=RunCameras(runtime), desk=open_desk(file, settings) if file else None, models=models)
        standing = ConsoleSite(stores, site, clock, telling(stores, file, site.site.zone_info, clock), parts)
        host, book = standing.host(settings), standing.book(settings)

        def serve() -> ConsoleServer:
            return ConsoleServer(make_app(host, book), place.address, place.port, allow_remote=place.allow_remote)

        beside = ConsoleBeside(serve, metrics)
        begun.callback(beside.stop)
        beside.start()
        _tell(beside, book, settings)
        undo.enter_context(begun.pop_all())
    return standing.follow


def _tell(beside: ConsoleBeside, book: AccessBook, settings: Settings) -> None:
    if settings.log_format == "json":  # collected by machines: no secret goes there
        log.info("the console is served", url=beside.url)
        if not book.people.users():
            log.info("no account can sign in yet: sightline users add NAME --role admin makes one")
        return
    err().print(f"console: {beside.url}")
    tell_first_link(book, beside.url)


def tell_first_link(book: AccessBook, url: str) -> None:
    """While there is no account: the address that makes the first. What follows # is sent to no server and no log."""
    secret = book.first_link_secret()
    if secret is not None:
        place = book.settings.public_url.rstrip("/") or url
        err().print(f"no account yet; make the first within the hour, once: {place}/sign-in#link={secret}")


def _file(site_path: Path) -> Path | None:
    """None for a site that was piped in."""
    return None if str(site_path) == "-" else site_path
