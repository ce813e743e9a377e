"""The configuration of Ray Serve that follows from a site and its settings."""

from __future__ import annotations

import tests.support.quiet_ray  # isort: skip  # noqa: F401

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from pipeline.app.serve_config import check_config, num_cpus_needed, serve_config
from pipeline.cli.cluster import config_text
from pipeline.errors import ConfigError
from pipeline.runtime.serving.sizing import MESSAGE_VARIABLE
from pipeline.settings import GivenSettings, Settings
from pipeline.site import load_site
from tests.support.local import site_of

FOLDER = Path(__file__).resolve().parents[2] / "deployments" / "serve"
SITE = "{models: {detector: %s, encoder: %s, vlm: '%s'}, cameras: [{id: yard, url: 'synthetic:yard'}]}"


def made(
    detector: str = "a/detector", encoder: str = "an/encoder", vlm: str = "a/vlm", **settings: Any
) -> dict[str, Any]:
    site = site_of(SITE % (detector, encoder, vlm))
    return serve_config(site, GivenSettings(**settings), "/etc/sightline/site.yaml")


def names(config: dict[str, Any]) -> list[str]:
    return [application["name"] for application in config["applications"]]


def deployment(config: dict[str, Any], name: str) -> dict[str, Any]:
    application = next(one for one in config["applications"] if one["name"] == name)
    return dict(application["deployments"][0])


@pytest.mark.parametrize("name", ["local", "gpu"])
def test_the_files_that_ship_are_those_of_their_sites(name: str) -> None:
    """Whoever changes what is generated makes `deployments/serve` anew."""
    site = load_site(FOLDER / f"{name}.site.yaml", {})
    text = config_text(serve_config(site, GivenSettings(**site.settings), "/etc/sightline/site.yaml"))
    assert (FOLDER / f"{name}.yaml").read_text() == text


@pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning")
@pytest.mark.parametrize("name", ["local", "gpu"])
def test_ray_takes_the_files_that_ship(name: str) -> None:
    """Every key is one that this version of Serve knows, and every builder exists."""
    schema = ServeDeploySchema.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))
    for application in schema.applications:
        module, _, builder = application.import_path.partition(":")
        assert callable(getattr(importlib.import_module(module), builder))
        assert set(application.model_extra or {}) == set()


def test_five_applications_when_every_model_runs_here() -> None:
    """One configuration has them all."""
    assert names(made()) == ["watchers", "encoder", "reasoners", "vlm", "alerting"]


@pytest.mark.parametrize("vlm", ["none", "openai:http://vllm:8000/v1#qwen"])
def test_what_needs_no_model_here_has_no_application(vlm: str) -> None:
    """Motion alone is seen by the watchers; a model server is called by the reasoners."""
    assert names(made("motion", "none", vlm)) == ["watchers", "reasoners", "alerting"]


def test_a_stage_that_pulls_has_no_more_replicas_than_partitions() -> None:
    """One more would have nothing to read; and one is always there to look."""
    config = made(bus={"partitions": 3}, cluster={"watchers": {"min": 0, "max": 8}})
    scaling = deployment(config, "watchers")["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (1, 3)


def test_the_language_model_may_scale_to_zero() -> None:
    """What is called can be started by a call."""
    assert deployment(made(cluster={"vlm": {"min": 0}}), "vlm")["autoscaling_config"]["min_replicas"] == 0


def test_limits_follow_the_size_of_a_batch() -> None:
    """A larger batch takes more calls at once."""
    assert deployment(made(cluster={"batch_frames": 8}), "encoder")["max_ongoing_requests"] == 24
    assert deployment(made(cluster={"batch_frames": 64}), "encoder")["max_ongoing_requests"] == 192


def test_a_replica_has_longer_to_end_than_to_drain() -> None:
    """Ray kills what is not gone by then."""
    assert deployment(made(drain_for="40s"), "watchers")["graceful_shutdown_timeout_s"] > 40


def test_no_secret_is_in_it() -> None:
    """It goes to logs, dashboards and Kubernetes: replicas have secrets from their environment."""
    channel = {"webhook": "https://u:hush@h/", "secret": "hush-hush"}
    site = site_of(yaml.safe_dump({**yaml.safe_load(SITE % ("motion", "none", "none")), "channels": {"a": channel}}))
    settings = GivenSettings(database_url="postgresql://me:hush@db/x", bus={"password": "hush"})
    assert "hush" not in config_text(serve_config(site, settings, "/site.yaml"))


def test_the_least_that_every_stage_needs() -> None:
    """One machine lends so many CPUs."""
    cluster = {"watchers": {"min": 2, "num_cpus": 0.5}, "encoder": {"num_cpus": 2}}
    assert num_cpus_needed(made(cluster=cluster)) == 2 * 0.5 + 2 + 3


def test_what_is_generated_passes_its_own_check() -> None:
    """Through YAML and back."""
    check_config(yaml.safe_load(config_text(made())), Settings())


def changed(**encoder: Any) -> dict[str, Any]:
    config = made()
    application = next(one for one in config["applications"] if one["name"] == "encoder")
    application["deployments"][0].update(encoder)
    return config


def test_a_batch_that_could_never_fill_is_refused() -> None:
    """An operator sets what looks like a sensible number of requests."""
    with pytest.raises(ConfigError, match="max_ongoing_requests must be at least 96"):
        check_config(changed(max_ongoing_requests=10), Settings())


def test_messages_that_are_too_short_are_refused() -> None:
    """The environment of one application was lost."""
    config = made()
    del config["applications"][0]["runtime_env"]
    with pytest.raises(ConfigError, match=MESSAGE_VARIABLE):
        check_config(config, Settings())


@pytest.mark.parametrize("given", [None, [], {"applications": "watchers"}, "text"])
def test_what_is_no_configuration_is_refused(given: Any) -> None:
    """Any YAML may be handed in."""
    with pytest.raises(ConfigError, match="a list `applications`"):
        check_config(given, Settings())
