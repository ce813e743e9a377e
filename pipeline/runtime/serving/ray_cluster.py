"""A Ray cluster as an operator sees it: begun here or reached by its address, given one configuration, asked how
its applications are, and stopped.

Everything is told in this program's words: a state of Serve and the reason, without the tracebacks around it.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.errors import ConfigError, TransientError

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported: nothing leaves this machine

import ray
from ray import serve
from ray._private.ray_logging import global_worker_stdstream_dispatcher
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

_OBJECT_STORE_BYTES = 200_000_000
"""Pictures travel inside calls; what Ray keeps by itself is small."""
_STATS_SECONDS = 5.0
_RAISED = re.compile(r"^(?:[\w]+\.)*(?P<kind>\w*(?:Error|Exception|Exit|Overloaded|StageFailed)): ", re.MULTILINE)
"""The line of a traceback that says what was raised."""
_WRONG = frozenset({"ConfigError", "SiteFileError"})

OnLine = Callable[[str, str], None]
"""Given an application's name and a line that one of its replicas wrote."""

RUNNING = "RUNNING"
FAILED = "DEPLOY_FAILED"


@dataclass(frozen=True, slots=True)
class ApplicationState:
    """One application, now."""

    name: str
    status: str
    """Serve's word: `DEPLOYING`, `RUNNING`, `UNHEALTHY`, `DEPLOY_FAILED`, `DELETING`…"""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """By Serve's state: `RUNNING`, `STARTING`, `STOPPING`…"""
    reason: str = ""
    """What was raised, when it failed; else what Serve says, if anything."""
    is_misconfigured: bool = False
    """It failed because the configuration cannot work."""


class RayCluster:
    """Connected from the constructor to `close`; one at a time in a process."""

    def __init__(
        self, address: str | None = None, *, num_cpus: float | None = None, on_line: OnLine | None = None
    ) -> None:
        """Reach the cluster at `address` (`auto`: the one on this machine), or begin one here that ends with this
        process, without a dashboard. `TransientError` when none answers.

        Ray listens on all interfaces; its ports serve only those who have the token that it keeps in `~/.ray`.
        `on_line` is told what the stages' replicas write, from a thread of Ray's. Takes SIGTERM: handle it later.
        """
        options: dict[str, Any] = {"address": address}
        if address is None:
            options = {
                "address": "local",
                "num_cpus": num_cpus,
                "include_dashboard": False,
                "object_store_memory": _OBJECT_STORE_BYTES,
            }
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        try:
            ray.init(namespace="serve", logging_level="ERROR", log_to_driver=on_line is not None, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise TransientError(f"no Ray cluster at {address or 'this machine'}: {error}") from error

        if on_line is not None:
            # In place of Ray's own, which prints what the controller writes too: a traceback for each thing told here.
            global_worker_stdstream_dispatcher.remove_handler("ray_print_logs")
            global_worker_stdstream_dispatcher.add_handler("sightline", partial(_hand_on, on_line))

    def deploy(self, config: Mapping[str, Any]) -> None:
        """Give Serve its one configuration and return; what it makes of it is seen in `applications`."""
        from ray.serve._private.api import serve_start  # `serve run` does it so; there is no public call
        from ray.serve.schema import ServeDeploySchema

        try:
            schema = ServeDeploySchema.model_validate(dict(config))
        except ValueError as error:
            raise ConfigError(f"Ray Serve does not take this configuration: {error}") from error
        client = serve_start(proxy_location=schema.proxy_location, global_logging_config=schema.logging_config)
        client.deploy_apps(schema, _blocking=False)

    def applications(self) -> list[ApplicationState]:
        """All applications, by name; empty when Serve does not run."""
        try:
            status = serve.status()
        except (RayError, RayServeException) as error:
            raise TransientError(f"Ray Serve does not answer: {error}") from error
        return [_state(name, overview) for name, overview in sorted(status.applications.items())]

    def stats(self, name: str) -> list[dict[str, float]]:
        """What each running replica of a stage that pulls says of itself; without those that do not answer."""
        try:
            answers = serve.get_deployment_handle(name, app_name=name).broadcast("stats")
            given = answers.results(timeout_s=_STATS_SECONDS, return_exceptions=True)
        except (KeyError, TimeoutError, RayError, RayServeException):
            return []
        return [answer for answer in given if isinstance(answer, dict)]

    def stop_applications(self) -> None:
        """Drain and end all applications; waits for as long as their own drains may take."""
        serve.shutdown()

    def close(self) -> None:
        """Leave the cluster; one that was begun here ends. May be called twice."""
        ray.shutdown()


def _hand_on(on_line: OnLine, written: Mapping[str, Any]) -> None:
    kind, _, names = (written.get("actor_name") or "").partition(":")
    if kind == "ServeReplica":
        for line in written["lines"]:
            on_line(names.partition(":")[0], line)


def _state(name: str, overview: Any) -> ApplicationState:
    replicas: dict[str, int] = {}
    messages = [overview.message]
    for deployment in overview.deployments.values():
        for state, count in deployment.replica_states.items():
            replicas[str(getattr(state, "value", state))] = replicas.get(str(getattr(state, "value", state)), 0) + count
        messages.append(deployment.message)
    kind, reason = what_was_raised("\n".join(message for message in messages if message))
    status = str(getattr(overview.status, "value", overview.status))
    return ApplicationState(name, status, replicas, reason, kind in _WRONG)


def what_was_raised(message: str) -> tuple[str, str]:
    """Name and words of the exception at the root of a message with tracebacks; `("", message)` without one."""
    raised = list(_RAISED.finditer(message))
    if not raised:
        return "", message.strip()
    last = raised[-1]
    kind, words = last["kind"], message[last.end() :].strip()
    return kind, words if kind in _WRONG else f"{kind}: {words}"
