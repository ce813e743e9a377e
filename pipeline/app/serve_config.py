"""Settings and site to the one configuration of Ray Serve: five applications, their limits and their scaling.

`sightline cluster config` prints it, `sightline cluster up` deploys it, and a RayService of Kubernetes takes the same
text. It holds no secret: a replica reads the site file by its path, and values from its environment. Needs no Ray.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import ConfigError
from pipeline.runtime.serving.sizing import (
    MESSAGE_VARIABLE,
    CallLimits,
    call_limits,
    check_message_limit,
    check_ongoing_limit,
)
from pipeline.settings import Replicas, Settings
from pipeline.site import MOTION_DETECTOR, NO_MODEL, Models, Site

WATCHERS = "watchers"
ENCODER = "encoder"
REASONERS = "reasoners"
VLM = "vlm"
ALERTING = "alerting"
APPLICATIONS = (WATCHERS, ENCODER, REASONERS, VLM, ALERTING)
BUILDERS = "pipeline.app.cluster"
"""Where the applications' builders are: a function of each one's name."""
OWN_VLM_CALLS = 4
"""Requests in one replica of the vision-language model: one at work, the others prepared meanwhile."""

_AGE_POLICY = "pipeline.runtime.serving.autoscale:OldestAgePolicy"
_FRAMES_POLICY = "pipeline.runtime.serving.autoscale:FramesInHandPolicy"
_VERDICT_AGE_SHARE = 0.25
"""Of `reasoning.deadline`, after which a verdict is given up: one that waits longer asks for more reasoners."""
_METRICS_EVERY_SECONDS = 2.0
"""Ray's own is 10: a burst would be half over before anybody saw it. Ray warns that a variable of the environment
will take its place; no version up to 2.60 reads that."""
_LOOK_BACK_SECONDS = 10.0
_HEALTH_PERIOD_SECONDS = 5.0
_HEALTH_TIMEOUT_SECONDS = 15.0
_SHUTDOWN_MARGIN_SECONDS = 10.0
"""Ray kills a replica that is not gone so long after its drain should have been over."""
_STATUS_CALLS = 4
"""A stage that pulls is only asked how it is."""


def needs_encoder(models: Models) -> bool:
    """Whether any model sees: motion alone is seen where the frames are."""
    return models.detector != MOTION_DETECTOR or models.encoder != NO_MODEL


def has_own_vlm(models: Models) -> bool:
    """Whether the vision-language model runs in this cluster, not behind a server of its own."""
    return models.vlm != NO_MODEL and not models.vlm.startswith("openai:")


def serve_config(site: Site, settings: Settings, site_path: str) -> dict[str, Any]:
    """The configuration, as `ray.serve.schema.ServeDeploySchema` reads it. `site_path` is where replicas find it.

    `ConfigError` when the settings cannot work together.
    """
    limits = call_limits(settings.cluster, settings.bus)
    if site.models.strong_vlm != NO_MODEL and not site.models.strong_vlm.startswith("openai:"):
        raise ConfigError("models.strong_vlm: in a cluster it runs behind a server: openai:URL#model")
    applications = [
        _application(name, deployment, policy, limits, site_path)
        for name, deployment, policy in _deployments(site.models, settings, limits)
    ]
    return {
        "proxy_location": "Disabled",  # nothing is asked over HTTP
        "logging_config": {"log_level": "WARNING", "enable_access_log": False},
        "applications": applications,
    }


def num_cpus_needed(config: Mapping[str, Any]) -> float:
    """CPUs that one machine must lend so that every application can start."""
    deployments = [one for application in config["applications"] for one in application["deployments"]]
    return sum(
        float(one["ray_actor_options"]["num_cpus"]) * max(int(one["autoscaling_config"]["min_replicas"]), 1)
        for one in deployments
    )


def check_config(config: Any, settings: Settings) -> None:
    """`ConfigError` when a configuration, perhaps changed by hand, breaks a relation that these settings need."""
    limits = call_limits(settings.cluster, settings.bus)
    if not isinstance(config, Mapping) or not isinstance(config.get("applications"), list):
        raise ConfigError("expected a Serve configuration with a list `applications`; print one with cluster config")
    for application in config["applications"]:
        environment = application.get("runtime_env", {}).get("env_vars", {})
        if application.get("name") in (WATCHERS, ENCODER, REASONERS, VLM):
            check_message_limit(limits, {name: str(value) for name, value in environment.items()})
        for deployment in application.get("deployments", ()):
            if deployment.get("name") == ENCODER:
                check_ongoing_limit(limits, int(deployment.get("max_ongoing_requests", 0)))


def _deployments(
    models: Models, settings: Settings, limits: CallLimits
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any] | None]]:
    """Name, options of the deployment, policy of the application; they may start in any order."""
    cluster = settings.cluster
    yield WATCHERS, _pulling(_at_most(cluster.watchers, settings.bus.partitions), settings), _policy(settings)
    if needs_encoder(models):
        policy = {"policy_function": _FRAMES_POLICY, "policy_kwargs": {"frames_limit": limits.target_ongoing_frames}}
        calls = (limits.max_ongoing_calls, limits.max_queued_calls)
        yield ENCODER, _called(_at_least_one(cluster.encoder), settings, *calls), policy
    reasoners = _pulling(_at_most(cluster.reasoners, settings.bus.partitions), settings)
    yield REASONERS, reasoners, _policy(settings, **_verdict_limits(settings))
    if has_own_vlm(models):
        queued = 2 * settings.reasoning.workers
        vlm = _called(cluster.vlm, settings, OWN_VLM_CALLS, queued)
        vlm["autoscaling_config"]["target_ongoing_requests"] = OWN_VLM_CALLS / 2
        yield VLM, vlm, None
    yield ALERTING, _pulling(cluster.alerting, settings), _policy(settings)


def _application(
    name: str, deployment: dict[str, Any], policy: dict[str, Any] | None, limits: CallLimits, site_path: str
) -> dict[str, Any]:
    application = {
        "name": name,
        "route_prefix": None,
        "import_path": f"{BUILDERS}:{name}",
        "args": {"site": site_path},
        "runtime_env": {"env_vars": {MESSAGE_VARIABLE: str(limits.message_bytes)}},
        "deployments": [{"name": name, **deployment}],
    }
    return application if policy is None else {**application, "autoscaling_policy": policy}


def _policy(settings: Settings, **more_limits: float) -> dict[str, Any]:
    limits = {
        "age_limit_seconds": settings.cluster.oldest_frame_limit,
        "lag_limit": float(settings.bus.in_flight),
        **more_limits,
    }
    return {"policy_function": _AGE_POLICY, "policy_kwargs": limits}


def _verdict_limits(settings: Settings) -> dict[str, float]:
    return {
        "verdict_age_limit_seconds": _VERDICT_AGE_SHARE * settings.reasoning.deadline,
        "verdicts_limit": float(settings.reasoning.workers),
    }


def _at_most(replicas: Replicas, partitions: int) -> Replicas:
    """No more than there are partitions: one more would have nothing to do."""
    most = min(replicas.max, partitions)
    return replicas.model_copy(update={"max": most, "min": min(replicas.min, most)})


def _at_least_one(replicas: Replicas) -> Replicas:
    return replicas.model_copy(update={"min": max(replicas.min, 1)})


def _pulling(replicas: Replicas, settings: Settings) -> dict[str, Any]:
    """A stage that pulls always has somebody who looks whether there is work."""
    return {"max_ongoing_requests": _STATUS_CALLS, **_common(_at_least_one(replicas), settings)}


def _called(replicas: Replicas, settings: Settings, max_ongoing: int, max_queued: int) -> dict[str, Any]:
    return {"max_ongoing_requests": max_ongoing, "max_queued_requests": max_queued, **_common(replicas, settings)}


def _common(replicas: Replicas, settings: Settings) -> dict[str, Any]:
    return {
        "graceful_shutdown_timeout_s": settings.drain_for + _SHUTDOWN_MARGIN_SECONDS,
        "health_check_period_s": _HEALTH_PERIOD_SECONDS,
        "health_check_timeout_s": _HEALTH_TIMEOUT_SECONDS,
        "ray_actor_options": {"num_cpus": replicas.num_cpus, "num_gpus": replicas.num_gpus},
        "autoscaling_config": _scaling(replicas, settings),
    }


def _scaling(replicas: Replicas, settings: Settings) -> dict[str, Any]:
    return {
        "min_replicas": replicas.min,
        "max_replicas": replicas.max,
        "upscale_delay_s": settings.cluster.scale_up_after,
        "downscale_delay_s": settings.cluster.scale_down_after,
        "metrics_interval_s": _METRICS_EVERY_SECONDS,
        "look_back_period_s": _LOOK_BACK_SECONDS,
    }
