"""`helm test`: one clip from ingest to a webhook, through everything between.

usage: send_clip.py SITE.YAML WAIT_SECONDS [PORT]
Publishes the cameras of the site file and waits for an alert about each on PORT (8080).
Exit status: 0 they came, 1 one did not, or the clip could not be published.
"""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CAMERA = "helm-test"


def receiver(port: int, came: threading.Event) -> ThreadingHTTPServer:
    """Answers 204 to every alert, and tells when one is about the clip."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(204)
            self.end_headers()
            print(f"received: {body[:2000].decode(errors='replace')}", flush=True)
            if _CAMERA in json.dumps(json.loads(body)):
                came.set()

        def log_message(self, *_: object) -> None:
            """Nothing: what came is printed already."""

    return ThreadingHTTPServer(("", port), Handler)


def main(site_path: str, wait_seconds: str, port: str = "8080") -> int:
    """The exit status."""
    came = threading.Event()
    server = receiver(int(port), came)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        command = ["sightline", "ingest", site_path, "--speed", "0", "--json"]
        done = subprocess.run(command, check=False)  # noqa: S603 - the words are ours
        if done.returncode:
            print("the clip could not be published: see above", file=sys.stderr)
            return 1
        if not came.wait(float(wait_seconds)):
            print(
                f"no alert within {wait_seconds} s: sightline why --camera {_CAMERA} says where it ended",
                file=sys.stderr,
            )
            return 1
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    print("the clip was seen, and its alert delivered")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
