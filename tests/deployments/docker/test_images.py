"""The images, as far as they can be judged where no container can be built."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.dockerfile import DOCKERFILE, Stage, lineage, pip_steps, read_stages

TARGETS = ("ingest", "cpu", "gpu")
PINNED = {
    line.split("==")[0].lower().replace("_", "-")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if "==" in line
}


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    return read_stages(DOCKERFILE)


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile passes every rule but the two that `hadolint.yaml` gives reasons against."""
    config = DOCKERFILE.with_name("hadolint.yaml")
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, "--config", config, DOCKERFILE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_runs_as_root(stages: dict[str, Stage], target: str) -> None:
    """The last word of every image is the user 1000, by number, as `runAsNonRoot` needs it."""
    assert stages[target].instructions[-1] == ("USER", "1000:1000")


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_it_is(stages: dict[str, Stage], target: str) -> None:
    """Title, licence, version and revision stand in OCI labels; the command is `sightline`."""
    words = [text for stage in lineage(stages, target) for text in stage.of("LABEL") + stage.of("ENTRYPOINT")]
    told = " ".join(words)
    assert all(f"org.opencontainers.image.{name}=" in told for name in ("title", "licenses", "version", "revision"))
    assert '["sightline"]' in told


def test_a_read_only_root_is_enough(stages: dict[str, Stage]) -> None:
    """What the program and its libraries write goes to /tmp, /data and /models."""
    told = " ".join(stages["program"].of("ENV"))
    homes = dict(re.findall(r"(HOME|HF_HOME|MPLCONFIGDIR|SIGHTLINE_DATA_DIR)=(\S+)", told))
    assert homes == {
        "HOME": "/tmp", "HF_HOME": "/models", "MPLCONFIGDIR": "/tmp/matplotlib", "SIGHTLINE_DATA_DIR": "/data",
    }  # fmt: skip


def test_the_base_image_is_pinned(stages: dict[str, Stage]) -> None:
    """A whole version stands in its tag, and it is a Python that the program supports."""
    image = stages[""].of("ARG")[0].removeprefix("PYTHON_IMAGE=python:")
    assert re.fullmatch(r"3\.\d+\.\d+-slim-bookworm", image)
    floor = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert tuple(map(int, image.split("-")[0].split(".")[:2])) >= tuple(map(int, floor.strip(">=").split(".")))


@pytest.mark.parametrize("target", TARGETS)
def test_every_package_is_pinned(stages: dict[str, Stage], target: str) -> None:
    """pip reads constraints.txt in every step, and what is asked for by name stands there."""
    assert "PIP_CONSTRAINT=/src/constraints.txt" in stages["python-packages"].of("ENV")[0]
    steps = pip_steps(stages, target)
    words = [word.strip("'") for step in steps for word in step.split()[2:] if not word.startswith(("-", '"$'))]
    names = {word.split("[")[0] for word in words} - {"."}
    assert steps
    assert names <= PINNED


def test_ingest_has_neither_torch_nor_ray(stages: dict[str, Stage]) -> None:
    """Its extras are the database, the object store and traces, no models and no cluster."""
    (step,) = pip_steps(stages, "ingest")
    assert re.search(r"\.\[([^\]]*)\]", step)[1] == "postgres,s3,otel"  # type: ignore[index]


def test_the_program_is_the_last_layer(stages: dict[str, Stage]) -> None:
    """A change of the code makes one small layer anew: packages are copied before, the wheel adds nothing to them."""
    for target in TARGETS:
        kinds = [(word, text.split()[0]) for word, text in stages[target].instructions if word in ("COPY", "RUN")]
        assert kinds == [("COPY", f"--from={target}-packages"), ("RUN", kinds[1][1])]
        assert kinds[1][1].startswith("--mount=type=bind,from=wheel")
        assert "--no-deps /dist/*.whl" in stages[target].of("RUN")[0]


def test_a_build_sees_no_more_than_it_needs(stages: dict[str, Stage]) -> None:
    """`.dockerignore` lets in what the Dockerfile copies and nothing else: no site file, no data, no history."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    copied = {
        name
        for stage in stages.values()
        for text in stage.of("COPY")
        if not text.startswith("--from")
        for name in text.split()[:-1]
    }
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_only_package_indexes_are_asked() -> None:
    """No step fetches anything by hand, and the file names no address: indexes are those of whoever builds."""
    text = "".join(line for line in DOCKERFILE.read_text().splitlines(True) if not line.startswith("#"))
    assert re.findall(r"https?://\S+", text) == []
    assert not re.search(r"\b(curl|wget http|git clone|ADD)\b", text)
