"""`sightline audit`: who looked at which evidence, and who changed what."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.output import local_time, out, plain, say_json
from pipeline.cli.times import read_moment

if TYPE_CHECKING:
    from pipeline.store.people import AuditEntry


def audit(
    who: Annotated[str | None, typer.Option(help="Only of this account, or `account/token`.")] = None,
    camera: Annotated[str | None, typer.Option(help="Only of this camera.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Then or later: 22:14, 2 hours ago.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 100,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who looked at pictures and clips and who changed what, newest first; also what was refused.

    The same look by the same person within a minute is one. Kept for `retention.audit`.

    \b
      sightline audit --camera yard --since "2 days ago" --site site.yaml
      sightline audit --who anna --json | jq -r '.[] | select(.is_allowed | not) | .action'
    """
    from pipeline.store.people import AuditFilter, SqlPeople

    with kept_data(data_dir, site) as (stores, zone):
        start = read_moment(since, datetime.now(UTC), zone).at if since else None
        found = SqlPeople(stores.database).audit(AuditFilter(who=who, camera_id=camera, start=start, limit=limit))
    if as_json:
        say_json([asdict(entry) | {"at": entry.at.isoformat()} for entry in found])
    else:
        out().print("\n".join(_line(entry, zone) for entry in found) or "nothing in the audit log")


def _line(entry: AuditEntry, zone: tzinfo) -> str:
    words = [entry.who, entry.action, entry.camera_id, entry.target, f"from {entry.address}" if entry.address else ""]
    outcome = "" if entry.is_allowed else "  (refused)"
    told = "  ".join(word.replace("\n", " ") for word in words if word)
    return plain(f"{local_time(entry.at, zone)}  {told}{outcome}")
