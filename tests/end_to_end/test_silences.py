"""Ten alerts that did not come, each for one planted reason, and the sentence with which `why` names it.

One clip is shown to all cameras: a block walks over a courtyard, out of the left half and through the door's zone in
the right one, twice. The control rule alerts each time, so whatever is silent is so for its own reason.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import structlog
from typer.testing import CliRunner

from pipeline.cli.program import app
from pipeline.contracts.incident import IncidentChange
from pipeline.contracts.values import Image
from tests.support.local import Listener, incidents_of, run_site, site_of
from tests.support.model_server import judge
from tests.support.perception import make_clip
from tests.support.receiver import Receiver
from tests.support.web_camera import WebCamera

SIZE, FPS = (320, 180), 5
WALKS_AT_SECONDS = (3.0, 13.0)
WALK_SECONDS, CLIP_SECONDS = 5.0, 71.0
BEFORE_THE_MINUTE_SECONDS = 10.0
"""How much of the clip comes before the minute asked about: the first walk."""

ZONES = {"door": [[0.5, 0.4], [1, 0.4], [1, 1], [0.5, 1]], "porch": [[0.5, 0], [1, 0], [1, 0.2], [0.5, 0.2]]}
WORDS = "a person climbs the fence"


def camera(name: str, url: object, **given: Any) -> dict[str, Any]:
    return {"id": name, "url": str(url), "zones": ZONES, **given}


def rule(name: str, **given: Any) -> dict[str, Any]:
    """Like the control rule `entry`, but for what is given."""
    return {"id": name, "track": {"enters": "door"}, "cooldown": 0, "verify": "none", **given}


def rules_on_yard(other_hours: str) -> list[dict[str, Any]]:
    """The control rules, and each silence that a rule can plant."""
    others = {
        "linger": {"track": {"inside": "door", "longer_than": 1}},
        "loiter": {"track": {"inside": "door", "longer_than": 45}},
        "night": {"schedule": other_hours},
        "again": {"cooldown": 60},
        "disabled": {"enabled": False},
        "aside": {"track": {"enters": "porch"}},
        "judged": {"verify": "vlm", "alert": "verified"},
    }
    return [rule("entry"), *(rule(name, cameras="yard", **given) for name, given in others.items())]


def pictures(seconds: float, dark_from_seconds: float = 1e9) -> Iterator[Image]:
    """The walks, in RGB."""
    blocks = np.random.default_rng(5).integers(20, 160, (18, 32, 3), dtype=np.uint8)
    backdrop = cv2.resize(blocks, SIZE, interpolation=cv2.INTER_NEAREST)
    for number in range(int(seconds * FPS)):
        at = number / FPS
        picture = backdrop.copy()
        for begins in WALKS_AT_SECONDS:
            if 0 <= at - begins < WALK_SECONDS:
                left = int((at - begins) * 80) - 30
                cv2.rectangle(picture, (left, 60), (left + 30, 140), (240, 240, 240), -1)
        yield picture if at < dark_from_seconds else np.zeros_like(picture)


def write(path: Path, seconds: float, dark_from_seconds: float = 1e9) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for picture in pictures(seconds, dark_from_seconds):
        writer.write(picture)
    writer.release()
    return path


@dataclass(frozen=True)
class Kept:
    """What a run left."""

    folder: Path
    minute: datetime
    """The one to ask about."""
    rules_told: set[tuple[str, str]]
    """(camera, rule) of the incidents that opened in it."""

    def why(self, camera: str, rule: str, *, window: str = "1m", with_site: bool = True) -> str:
        """What the command says to it, after `No alert for … at …: `."""
        asked = ("--camera", camera, "--rule", rule, "--at", self.minute.isoformat(), "--window", window)
        site = ("--site", str(self.folder / "site.yaml")) if with_site else ()
        result = CliRunner(env={"COLUMNS": "200"}).invoke(
            app, ["why", *asked, "--data-dir", str(self.folder / "data"), *site]
        )
        structlog.reset_defaults()  # it logs to the runner's standard error, which is closed by now
        assert result.exit_code == 0, result.output
        sentence = result.stdout.split("\ngate ")[0].replace("\n", " ").strip()
        print(sentence)
        about, reason = sentence.split(": ", 1)
        assert about.startswith(f"No alert for {rule} ")
        return reason


def says(told: str, expected: str) -> bool:
    """Whether these are the words; `#` stands for a number, `@` for a time of day."""
    pattern = re.escape(expected).replace(r"\#", r"\d+(\.\d+)?").replace("@", r"(\d{4}-\d\d-\d\d )?\d\d:\d\d(:\d\d)?")
    return re.fullmatch(pattern, told) is not None


def kept_from(folder: Path, site: dict[str, Any], minute: datetime, **options: Any) -> Kept:
    text = json.dumps(site)  # which is YAML
    (folder / "site.yaml").write_text(text)
    parsed = site_of(text)
    run_site(parsed, folder / "data", **options)
    told = {(i.camera_id, i.rule_id) for i in incidents_of(parsed, folder / "data") if i.opened_at >= minute}
    return Kept(folder, minute, told)


def a_while_ago() -> datetime:
    """The start of a minute that is over."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """One run with nine silences in it."""
    folder, minute = tmp_path_factory.mktemp("silences"), a_while_ago()
    walks = write(folder / "walks.mp4", CLIP_SECONDS)
    goes_dark = write(folder / "goes_dark.mp4", CLIP_SECONDS, dark_from_seconds=BEFORE_THE_MINUTE_SECONDS + 1)
    hours = f"{minute + timedelta(hours=2):%H:%M}-{minute + timedelta(hours=3):%H:%M}"
    with Receiver(otherwise=judge(0.05)) as vlm:
        site = {
            "models": {"vlm": f"openai:http://127.0.0.1:{vlm.port}/v1#judge"},
            "cameras": [
                camera("yard", walks),
                camera("masked", walks, masks=[ZONES["door"]]),
                camera("seldom", walks, sampling={"idle_fps": 0.02, "active_fps": 0.05}),
                camera("dark", goes_dark, health={"black": 2}),
            ],
            "rules": [*rules_on_yard(hours), {"id": "eyes", "health": "any", "cameras": "dark"}],
        }
        return kept_from(folder, site, minute, start_at=minute - timedelta(seconds=BEFORE_THE_MINUTE_SECONDS))


def test_the_event_would_have_been_told(kept: Kept) -> None:
    """Control: in the minute asked about, the same walk opens incidents where nothing is planted, and nowhere else."""
    controls = {("yard", "entry"), ("yard", "linger")}
    assert kept.rules_told == {*controls, ("yard", "judged"), ("dark", "eyes")}


SILENCES = [
    ("schedule", "yard", "night", "it was met, but the rule is off at that time, by its schedule (on @-@)."),
    ("too short", "yard", "loiter", "nothing stayed in door longer than # s (needs 45 s)."),
    ("cooldown", "yard", "again", "it was met, but the last alert had gone out # s before at most (cooldown 60 s)."),
    (
        "masked",
        "masked",
        "entry",
        "something that counts was seen in # frames, but never in door; "
        "but 100% of door lies under a privacy mask, where nothing is seen.",
    ),
    (
        "not sampled",
        "seldom",
        "entry",
        "at one frame in 20 s (active_fps 0.05) sampling looked at the camera 1 time and passed over # frames while "
        "something moved; in those looked at, nothing entered door.",
    ),
    (
        "model says no",
        "yard",
        "judged",
        "something entered door at @, but it was rejected: the model says no (yes 0.05, no 0.95, cannot tell 0.00).",
    ),
    (
        "camera blind",
        "dark",
        "entry",
        "dark was not watched @\N{EN DASH}@: black (mean brightness 0 of 255, hardly anything above 0).",
    ),
    ("rule disabled", "yard", "disabled", "the rule is switched off (enabled: false)."),
    ("wrong zone", "yard", "aside", "something that counts was seen in # frames, but never in porch."),
]


@pytest.mark.parametrize(("camera", "rule", "reason"), [row[1:] for row in SILENCES], ids=[row[0] for row in SILENCES])
def test_why_names_the_reason(kept: Kept, camera: str, rule: str, reason: str) -> None:
    """The planted one, with the numbers compared, and no other."""
    assert says(kept.why(camera, rule), reason)


def test_a_rule_that_was_disabled_is_known_without_the_site_file(kept: Kept) -> None:
    """The ledger has it: the site file may say something else by now."""
    assert says(kept.why("yard", "disabled", with_site=False), "the rule is switched off (enabled: false).")


class HoldUp(Listener):
    """Holds up the one thread that judges, as a slow model would, from the first incident until so many frames of the
    live camera were read; then the run may stop."""

    def __init__(self, num_frames: int) -> None:
        super().__init__(self._wait)
        self.stop, self._is_read, self._num_frames = threading.Event(), threading.Event(), num_frames

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        if camera_id == "live" and frames_read >= self._num_frames:
            self._is_read.set()

    def _wait(self, _: IncidentChange) -> None:
        if not self.stop.is_set():
            self._is_read.wait(30.0)
            self.stop.set()


def test_why_names_overload(tmp_path: Path) -> None:
    """While the program is held up, a live camera's frames are dropped: the walk among them."""
    minute, listener = datetime.now(UTC).replace(second=0, microsecond=0), HoldUp(int(11.0 * FPS))
    device = WebCamera(list(pictures(30.0)), FPS)
    try:
        cameras = [camera("yard", write(tmp_path / "walks.mp4", 9.0)), camera("live", device.url)]
        site = {"cameras": cameras, "rules": [rule("entry"), {"id": "eyes", "health": "offline"}]}
        kept = kept_from(tmp_path, site, minute, listener=listener, stop=listener.stop)
    finally:
        device.close()
    assert kept.rules_told == {("yard", "entry")}
    told = kept.why("live", "entry", window="3m").split(" But live was not watched ")[0]
    assert says(told, "the machine was overloaded and dropped # of # frames; in those looked at, nothing entered door.")


@pytest.mark.models
def test_why_names_a_score_below_its_threshold(tmp_path: Path) -> None:
    """A rule in words whose threshold no frame reached, beside one with the same words that was told."""
    make_clip(tmp_path / "clip")
    timings = {"likely": {"threshold": 0.001, "release": 0.001}, "unlikely": {"threshold": 0.99}}
    site = {
        "models": {"encoder": str(tmp_path / "clip")},
        "cameras": [camera("yard", write(tmp_path / "walks.mp4", 9.0))],
        "rules": [{"id": name, "when": WORDS, "timing": timing} for name, timing in timings.items()],
    }
    kept = kept_from(tmp_path, site, a_while_ago(), start_at=a_while_ago())
    assert kept.rules_told == {("yard", "likely")}
    told = kept.why("yard", "unlikely").split(" But yard was not watched ")[0]
    assert says(told, "the score was # at most (needs 0.99).")
