"""`sightline doctor`: would a run of this site file work here and now, and if not, what to do."""

from __future__ import annotations

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteArgument, settings_for, start_logging
from pipeline.cli.findings import tell_findings
from pipeline.site import load_site


def doctor(site_path: SiteArgument, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Try cameras, models, channels, disk and clock.

    Everything a run needs is tried as a run would use it; no alert is sent.

    \b
      sightline doctor site.yaml
      sightline doctor site.yaml --json | jq '.findings[] | select(.is_ok | not)'
    Exit status 1 when something is wrong.
    """
    from pipeline.cli.examinations import examine

    site = load_site(site_path)
    settings = settings_for(site, data_dir=data_dir, log_level="error")
    start_logging(settings, site)
    tell_findings(examine(site, settings), as_json=as_json, bad="WRONG", well="all well")
