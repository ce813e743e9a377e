"""The install steps of the ingest image, run in an empty virtual environment: `make image-steps`.

Downloads some 300 MB, so it is no part of the tests. Ends with status 0 when what was installed runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.conftest import ROOT
from tests.support.dockerfile import DOCKERFILE, pip_steps, read_stages

_PROBE = "import pipeline.app.ingest, importlib.util as u; print(u.find_spec('torch'), u.find_spec('ray'))"
_WHEEL = ("pip wheel --no-deps --wheel-dir dist .", "pip install --no-deps dist/*.whl")


def main() -> int:
    """Install, look, and say how large it became."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _install(folder)
        binaries = folder / "opt" / "bin"
        helped = subprocess.run([binaries / "sightline", "ingest", "--help"], cwd="/", stdout=subprocess.DEVNULL)
        probe = subprocess.run([binaries / "python", "-c", _PROBE], cwd="/", stdout=subprocess.PIPE, text=True)
        size = sum(file.stat().st_size for file in (folder / "opt").rglob("*") if file.is_file())
    print(f"ingest: help ended with {helped.returncode}, torch and ray: {probe.stdout.strip()}, {size / 1e6:.0f} MB")
    return int(helped.returncode != 0 or probe.stdout != "None None\n")


def _install(folder: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "__init__.py").touch()
    venv.create(folder / "opt", with_pip=True)
    _run(folder, *pip_steps(read_stages(DOCKERFILE), "ingest"), "pip uninstall --yes sightline")
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", dirs_exist_ok=True)
    _run(folder, *_WHEEL)


def _run(folder: Path, *steps: str) -> None:
    environment = os.environ | {
        "PATH": f"{folder / 'opt' / 'bin'}:{os.environ['PATH']}",
        "PIP_CONSTRAINT": str(folder / "constraints.txt"),
    }
    for step in steps:
        print(f"$ {step}", flush=True)
        subprocess.run(["bash", "-c", step], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
