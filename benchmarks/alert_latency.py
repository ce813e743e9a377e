"""How long after the frame the provisional alert is out, on a file paced as if live.

For every incident: `captured_at` of the frame that opened it → stored with its deliveries, and → received by a webhook
receiver on loopback. The clip plays at its own speed, so this takes as long as the clip.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from measure import SHARED, parser, save, show

from pipeline.app.local import build_local
from pipeline.ingest.pace import Pace
from pipeline.settings import load_settings
from pipeline.site import parse_site

SITE = """
models: {{detector: "onnx:{weights}"}}
cameras:
  - id: campus
    url: {clip}
    zones: {{path: [[0.2, 0.3], [0.8, 0.3], [0.8, 0.9], [0.2, 0.9]]}}
    lines: {{middle: [[0.5, 0.0], [0.5, 1.0]], across: [[0.0, 0.5], [1.0, 0.5]]}}
    sampling: {{active_fps: {fps}}}
rules:
  - {{id: middle, track: {{object: person, crosses: middle}}, cooldown: 0s}}
  - {{id: across, track: {{object: person, crosses: across}}, cooldown: 0s}}
  - {{id: entering, track: {{object: person, enters: path}}, cooldown: 0s}}
channels:
  here: {{webhook: "http://127.0.0.1:{port}/", allow_private: true, tell: [provisional, unverified]}}
"""


class Receiver(ThreadingHTTPServer):
    """Notes when each alert arrived."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delays_seconds: list[float] = []
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        arrived = datetime.now(UTC)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        opened = datetime.fromisoformat(body["data"]["times"]["opened_at"])
        with self.server.lock:
            self.server.delays_seconds.append((arrived - opened).total_seconds())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--fps", type=float, default=5.0)
    arguments.add_argument("--speed", type=float, default=1.0, help="pace; above 1 the delays are not comparable")
    given = arguments.parse_args()
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    site = parse_site(
        SITE.format(
            weights=SHARED / "weights" / "yolox_nano.onnx",
            clip=SHARED / "videos" / "pets09_s2l1_vtest.avi",
            fps=given.fps,
            port=receiver.server_address[1],
        ),
        "benchmark",
        {},
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=Path(folder))
        with build_local(site, settings, pace=Pace(speed=given.speed)) as runtime:
            runtime.warm_up()
            summary = runtime.run(threading.Event())
    receiver.shutdown()
    delays = sorted(receiver.delays_seconds)
    figures = {
        "alerts": len(delays),
        "incidents": summary.incidents,
        "p50_seconds": statistics.median(delays),
        "p95_seconds": delays[int(0.95 * (len(delays) - 1))],
        "max_seconds": delays[-1],
    }
    show("Frame to webhook received, paced file", tuple(figures), [tuple(figures.values())])
    if given.save:
        print("saved", save("alert-latency", figures))


if __name__ == "__main__":
    main()
