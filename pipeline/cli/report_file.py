"""From a finished run to its report on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from pipeline.app.stores import open_stores
from pipeline.cli.report import ReportHead, render_report
from pipeline.errors import ConfigError
from pipeline.runtime.local.runtime import RunSummary
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.telemetry import hide_credentials


def check_writable(path: Path, option: str = "--save") -> None:
    """Refuse a place that cannot be written before an hour of work ends there; `ConfigError` in the option's name."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"{option} {path}: the folder {folder} does not exist")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigError(f"{option} {path}: cannot be written")


def save_report(
    path: Path,
    site: Site,
    settings: Settings,
    started_at: datetime,
    summary: RunSummary,
    incident_ids: Sequence[str],
    warnings: Sequence[str],
) -> None:
    """Write the page about these incidents of a run that is over; `ConfigError` when the file cannot be written."""
    head = ReportHead(
        source=hide_credentials(site.cameras[0].url.get_secret_value()),
        started_at=started_at,
        duration_seconds=summary.media_seconds,
        frames_read=summary.frames_read,
        rules=site.rules,
        models=site.models.model_dump(exclude={"vlm_api_key", "strong_vlm_api_key"}),
        version=version("sightline"),
        zone=site.site.zone_info,
        warnings=warnings,
    )
    stores = open_stores(settings, must_exist=True)
    try:
        found = [stores.incidents.get(incident_id) for incident_id in incident_ids]
        page = render_report(head, [incident for incident in found if incident is not None], stores.evidence)
    finally:
        stores.close()
    write_page(path, page)


def write_page(path: Path, page: str, option: str = "--save") -> None:
    """`ConfigError` when the file cannot be written."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{option} {path}: {error.strerror}") from error
