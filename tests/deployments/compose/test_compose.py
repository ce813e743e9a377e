"""The compose file, as far as it can be judged where no container can be run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from pipeline.app.serve_config import serve_config
from pipeline.cli.configuration import settings_for
from pipeline.settings import BusSettings, load_settings
from pipeline.site import load_site
from tests.conftest import ROOT
from tests.support.dockerfile import DOCKERFILE, read_stages

FOLDER = ROOT / "deployments" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("ingest", "stages")
_REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")


def variables() -> set[str]:
    """What .env must give."""
    return {line.partition("=")[0] for line in (FOLDER / ".env.example").read_text().splitlines() if line[0] != "#"}


def test_it_follows_the_specification() -> None:
    """A parser of the Compose Specification takes it, its merge keys resolved, and finds every service."""
    assert set(compose_spec.PyCompose.from_yaml(yaml.safe_dump(COMPOSE)).service_names()) == set(SERVICES)


@pytest.mark.parametrize("wrong", ["healthchek: {}", "restart: 3"], ids=["a misspelt key", "a value of another kind"])
def test_the_parser_would_find_a_mistake(wrong: str) -> None:
    """What it is trusted to find."""
    with pytest.raises(Exception, match=r"\w"):
        compose_spec.PyCompose.from_yaml(f"services: {{a: {{image: b, {wrong}}}}}")


@pytest.mark.parametrize("name", OURS)
def test_the_environment_is_settings_the_program_knows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each SIGHTLINE_ variable is a setting, with a value that it takes: the settings forbid what they do not know."""
    environment = {key: _REQUIRED.sub("secret", str(value)) for key, value in SERVICES[name]["environment"].items()}
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    settings = load_settings()
    assert settings.bus.servers == "kafka:9092"
    assert settings.database_url == "postgresql+psycopg://sightline:secret@postgres/sightline"
    ours = {key.removeprefix("SIGHTLINE_").lower().split("__")[0] for key in environment if key.startswith("SIGHTLINE")}
    assert ours <= set(type(settings).model_fields)


def test_images_are_pinned_and_ours_are_stages_of_the_dockerfile() -> None:
    """A whole version in every tag; what is built names the file and a stage that is there."""
    for name, service in SERVICES.items():
        tag = service["image"].rpartition(":")[2]
        assert re.search(r"\d+\.\d+|\d{4}-\d{2}-\d{2}", tag), name
        if "build" in service:
            build = service["build"]
            assert (FOLDER / build["context"] / build["dockerfile"]).resolve() == DOCKERFILE
            assert build["target"] in read_stages(DOCKERFILE)


def test_every_service_says_when_it_is_well() -> None:
    """A health check each, but for the one that ends; who depends on one waits for it."""
    for name, service in SERVICES.items():
        assert ("healthcheck" in service) == (name != "bucket")
        for other, condition in service.get("depends_on", {}).items():
            expected = "service_healthy" if "healthcheck" in SERVICES[other] else "service_completed_successfully"
            assert condition == {"condition": expected}


def test_no_password_has_a_default() -> None:
    """Each is required by name, none stands in the file, and .env.example lists exactly those, without values."""
    assert set(re.findall(r"\$\{(\w+)", TEXT)) == set(_REQUIRED.findall(TEXT)) == variables()
    secret = re.compile(r"(PASSWORD|SECRET|TOKEN|_PASS)$")
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            assert not secret.search(key) or _REQUIRED.fullmatch(str(value)), key
    assert all(line.endswith("=") for line in (FOLDER / ".env.example").read_text().splitlines() if line[0] != "#")


def test_passwords_are_made_at_random(tmp_path: Path) -> None:
    """`make-env.sh` gives every variable a long value of its own, readable by its owner alone, and writes only once."""
    for name in ("make-env.sh", ".env.example"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    subprocess.run(["sh", tmp_path / "make-env.sh"], check=True, capture_output=True)
    made = dict(line.split("=") for line in (tmp_path / ".env").read_text().splitlines())
    assert set(made) == variables()
    assert len(set(made.values())) == len(made)
    assert all(len(value) == 48 for value in made.values())
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert subprocess.run(["sh", tmp_path / "make-env.sh"], capture_output=True).returncode == 1


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_has_no_rights(name: str) -> None:
    """User 1000, a root that is not written to, no capabilities; nothing of it is published."""
    service = SERVICES[name]
    assert (service["user"], service["read_only"], service["cap_drop"]) == ("1000:1000", True, ["ALL"])
    assert "ports" not in service


def test_what_is_published_is_so_on_this_machine_only() -> None:
    """Prometheus and Grafana, on loopback."""
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"console", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)


def test_volumes_and_mounted_files_are_there() -> None:
    """Every named volume is declared and used; every mounted file is in the repository, and read only."""
    mounted = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", ())]
    files = [parts for parts in mounted if parts[0].startswith(".")]
    assert {parts[0] for parts in mounted if parts not in files} == set(COMPOSE["volumes"])
    assert all((FOLDER / parts[0]).exists() and parts[2:] == ["ro"] for parts in files)


def test_the_site_can_be_served() -> None:
    """The site file and its settings are right, and it reads the camera that MediaMTX serves."""
    site = load_site(FOLDER / "site.yaml", {"CAMERA_PASSWORD": "secret"})
    applications = serve_config(site, settings_for(site), "/etc/sightline/site.yaml")["applications"]
    paths = yaml.safe_load((FOLDER / "mediamtx.yml").read_text())["paths"]
    urls = [camera.url.get_secret_value() for camera in site.cameras]
    assert [one["name"] for one in applications] == ["watchers", "reasoners", "alerting"]
    assert f"rtsp://viewer:secret@camera:8554/{next(iter(paths))}" in urls


def test_the_broker_takes_the_largest_record() -> None:
    """And makes no topic by itself: a misspelt name is an error."""
    environment = SERVICES["kafka"]["environment"]
    assert int(environment["KAFKA_MESSAGE_MAX_BYTES"]) >= BusSettings().max_message_bytes
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_prometheus_scrapes_what_runs() -> None:
    """Each target is a service of the file on the port it serves metrics on."""
    config = yaml.safe_load((ROOT / "deployments" / "observability" / "prometheus.yml").read_text())
    targets = [target for job in config["scrape_configs"] for one in job["static_configs"] for target in one["targets"]]
    for target in targets:
        name, port = target.split(":")
        assert port in " ".join(SERVICES[name]["command"])
