"""From options to a site, settings, logs and opened stores; and the options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.settings import Settings, load_settings
from pipeline.site import Site, load_site
from pipeline.telemetry import configure_logging

if TYPE_CHECKING:
    from pipeline.app.stores import Stores

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

SiteArgument = Annotated[Path, typer.Argument(metavar="SITE.YAML", help="The site file.", show_default=False)]
SiteOption = Annotated[
    Path | None, typer.Option("--site", metavar="SITE.YAML", help="The site file: its data folder and time zone.")
]
DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="FOLDER", help="Where a run keeps its data.  [env: SIGHTLINE_DATA_DIR]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for scripts instead of text.")]


def settings_for(site: Site | None, **from_command_line: Any) -> Settings:
    """Command line over environment over site file over defaults; `ConfigError` names the wrong value."""
    try:
        return load_settings(site.settings if site else None, **from_command_line)
    except ValidationError as error:
        first = error.errors()[0]
        name = "__".join(str(part) for part in first["loc"])
        raise ConfigError(f"the setting SIGHTLINE_{name.upper()} is wrong: {first['msg']}") from error


def start_logging(settings: Settings, site: Site | None = None, *, is_service: bool = False) -> None:
    """Logs to standard error, cleaned of the site's secrets; with their times for a service, plainer for a person."""
    is_plain = settings.log_format == "text" and not is_service
    configure_logging(settings.log_level, "plain" if is_plain else settings.log_format, site.secrets() if site else ())


@contextmanager
def kept_data(
    data_dir: Path | None, site_path: Path | None, *, must_exist: bool = True
) -> Iterator[tuple[Stores, tzinfo]]:
    """What a run has kept, opened for looking, and the time zone to show it in (UTC without a site file).

    Without `must_exist` also what no run has begun yet.
    """
    from pipeline.app.stores import open_stores

    site = load_site(site_path) if site_path else None
    settings = settings_for(site, data_dir=data_dir)
    start_logging(settings.model_copy(update={"log_level": "warning"}), site)
    if not must_exist:
        _make_folder(settings.data_dir)
    stores = open_stores(settings, must_exist=must_exist)
    try:
        yield stores, site.site.zone_info if site else UTC
    finally:
        stores.close()


def _make_folder(folder: Path) -> None:
    """Make the data folder where there is none yet; `ConfigError` when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the data folder {folder}: {error.strerror}") from error
