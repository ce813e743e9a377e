"""A site that kept two incidents with their clips, for backtests of its file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pipeline.app.site_desk import FileDesk, open_desk
from pipeline.settings import Settings
from tests.cli.test_backtest_history import GATE, NIGHT, SITE
from tests.support.cli import write_video
from tests.support.local import run_site, site_of

TEXT = SITE.replace("URL", "rtsp://camera.invalid/stream").replace('settings: {data_dir: "KEPT"}', "")
"""What the site file says: where data is kept is for the program to say."""
SINCE, UNTIL = f"{NIGHT.date()}T00:00", f"{(NIGHT + timedelta(days=5)).date()}T00:00"


def kept_desk(folder: Path) -> FileDesk:
    """Run it for two nights into the folder; the desk of its file."""
    recorded = SITE.replace("URL", str(write_video(folder / "walk.mp4"))).replace("KEPT", "nowhere").replace(GATE, "")
    for night in range(2):
        run_site(site_of(recorded), folder / "kept", start_at=NIGHT + timedelta(days=night))
    (folder / "site.yaml").write_text(TEXT)
    return open_desk(folder / "site.yaml", Settings(data_dir=folder / "kept"))
