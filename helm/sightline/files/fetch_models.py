"""Model files onto a volume: what is missing is fetched, everything is checked, and only then a marker says so.

usage: fetch_models.py LIST.json FOLDER download|airgapped BASE_URL
LIST.json: [{"id": "google/siglip2-base", "revision": "COMMIT", "files": {"model.safetensors": "SHA256"}}]; the file
lands at FOLDER/id/name. May run again at any time; a half file is never taken for a whole one. Needs Python alone.
Exit status: 0 all is there and right, 1 something is not.
"""

import hashlib
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

_CHUNK_BYTES = 1 << 20
_SILENT_SECONDS = 60


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(url: str, path: Path) -> None:
    """Get a file, under another name until it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    with urllib.request.urlopen(url, timeout=_SILENT_SECONDS) as source, half.open("wb") as target:  # noqa: S310
        while chunk := source.read(_CHUNK_BYTES):
            target.write(chunk)
    half.replace(path)


def provide(path: Path, url: str, wanted: str, *, may_fetch: bool) -> str:
    """Have the file there; what is wrong, or nothing."""
    if path.is_file() and checksum(path) == wanted:
        print(f"{path}: is there", flush=True)
        return ""
    if not may_fetch:
        state = "has another checksum" if path.is_file() else "is missing"
        return f"{path} {state}: put the file with SHA-256 {wanted} there"
    try:
        fetch(url, path)
    except (OSError, urllib.error.HTTPError) as error:
        return f"{url}: {error}"
    got = checksum(path)
    if got != wanted:
        path.unlink()
        return f"{url}: expected SHA-256 {wanted}, got {got}: correct models.files or the mirror"
    print(f"{path}: fetched", flush=True)
    return ""


def main(list_path: str, folder: str, source: str, base_url: str) -> int:
    """The exit status."""
    text = Path(list_path).read_text(encoding="utf-8")
    problems = []
    for model in json.loads(text):
        for name, wanted in model["files"].items():
            url = f"{base_url.rstrip('/')}/{model['id']}/resolve/{model['revision']}/{name}"
            problems.append(provide(Path(folder, model["id"], name), url, wanted, may_fetch=source == "download"))
    problems = [problem for problem in problems if problem]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    marker = hashlib.sha256(text.encode()).hexdigest()[:16]
    Path(folder, f".complete-{marker}").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
