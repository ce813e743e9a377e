"""`scripts/prove-on-a-cluster.sh` itself, with programs in place of kubectl, helm and sightline that only answer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "scripts" / "prove-on-a-cluster.sh"
_KUBECTL = """#!/bin/sh
cat >/dev/null </dev/null
case "$*" in
    *rayservices*) echo True ;;
    *podIP*) echo 10.0.0.1 ;;
    *networkpolicies*) echo networkpolicy/ingest ;;
    *ray-gpu*name*) echo "$GPU_POD" ;;
    *label*namespace*) echo "$POD_SECURITY" ;;
esac
"""
_HELM = """#!/bin/sh
echo "helm $*" >> "$CALLS"
[ "$1" != "$HELM_FAILS" ] || { echo "it did not work" >&2; exit 1; }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Programs and the two files."""
    for name, text in (("kubectl", _KUBECTL), ("helm", _HELM), ("sightline", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for name in ("values.yaml", "site.yaml"):
        (tmp_path / name).touch()
    return tmp_path


def prove(folder: Path, *files: str, **variables: str) -> tuple[int, str]:
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(folder / "calls"), "HELM_FAILS": ""}
    environment |= {"GPU_POD": "", "POD_SECURITY": ""} | variables
    command = [str(SCRIPT), *(str(folder / file) for file in files)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)
    return done.returncode, done.stdout + done.stderr


def test_a_cluster_on_which_all_goes_well(folder: Path) -> None:
    """Status 0, a line a step, what was not asked for with why, and the release is taken away."""
    status, told = prove(folder, "values.yaml", "site.yaml")
    assert (status, told.count("PROVEN  "), "FAILED" in told) == (0, 11, False), told
    assert "NOT ASKED FOR  GPU: no pod asks for one" in told
    assert (folder / "calls").read_text().splitlines()[-1].startswith("helm uninstall sightline-proof")


def test_a_gpu_is_asked_where_there_is_one(folder: Path) -> None:
    """One step more."""
    status, told = prove(folder, "values.yaml", "site.yaml", GPU_POD="pod/gpu-0")
    assert (status, "PROVEN         the GPU's driver answers inside a worker" in told) == (0, True)


def test_what_fails_is_told_and_the_rest_is_tried(folder: Path) -> None:
    """The step with its last words, status 1, and the release is taken away all the same."""
    status, told = prove(folder, "values.yaml", "site.yaml", HELM_FAILS="test")
    assert (status, told.count("FAILED  "), told.count("it did not work")) == (1, 2, 2)
    assert "helm uninstall" in (folder / "calls").read_text()


def test_pods_that_break_the_standard_are_a_failure(folder: Path) -> None:
    """The API server only warns of them; the script does not."""
    status, told = prove(folder, "values.yaml", "site.yaml", POD_SECURITY="Warning: existing pods violate restricted")
    assert (status, "FAILED         no pod breaks" in told) == (1, True)


@pytest.mark.parametrize("files", [(), ("values.yaml",), ("values.yaml", "missing.yaml")])
def test_wrong_usage_touches_nothing(folder: Path, files: tuple[str, ...]) -> None:
    """Status 2, and no program was called."""
    assert prove(folder, *files)[0] == 2
    assert not (folder / "calls").exists()
