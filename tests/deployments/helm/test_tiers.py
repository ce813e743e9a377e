"""The chart without a cluster: linted and rendered, held against schemas, policy and meaning. Each test prints how much
it looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.deployments.helm.renderings import EVERYTHING, NAMES, given_to, rendered, values_of
from tests.support.chart_meaning import RULES, meaning_problems, serve_rules
from tests.support.chart_policy import CHECKS, collisions, policy_problems
from tests.support.kubernetes import (
    CHART,
    FLOOR_VERSION,
    NEWEST_VERSION,
    Object,
    helm,
    kubectl,
    pods_of,
    processes_of,
    ray_pods,
    run_tool,
    schema_problems,
    template,
)


@pytest.mark.parametrize("major", [3, 4])
def test_every_values_file_is_linted(major: int) -> None:
    """Helm 3 and helm 4 find nothing to say but that there is no icon."""
    for name in NAMES:
        files = [word for path in values_of(name) for word in ("--values", str(path))]
        said = run_tool(helm(major), "lint", CHART, "--strict", "--kube-version", f"v{FLOOR_VERSION}.0", *files)
        assert "1 chart(s) linted, 0 chart(s) failed" in said
        assert "[WARNING]" not in said
    print(f"tier 1: helm {major} linted {len(NAMES)} values files")


@pytest.mark.parametrize("name", NAMES)
def test_both_helms_render_the_same(name: str) -> None:
    """Helm 3 and helm 4, the oldest Kubernetes and the newest: the same objects."""
    wanted = rendered(name)
    assert rendered(name, 3) == wanted
    assert rendered(name, 4, kube_version=NEWEST_VERSION) == wanted
    print(f"tier 1: {name}: {len(wanted)} objects under helm 3 and 4")


@pytest.mark.parametrize("major", [3, 4])
def test_a_packaged_chart_holds_all_that_the_folder_does(major: int, tmp_path: Path) -> None:
    """Rules and dashboards are links in the folder and files in the package."""
    run_tool(helm(major), "package", CHART, "--destination", tmp_path)
    package = next(tmp_path.glob("sightline-*.tgz"))
    assert template(package, values=values_of(EVERYTHING), major=major) == rendered(EVERYTHING)


def test_the_programs_are_of_the_versions_that_are_meant() -> None:
    """Helm 3 is a helm 3, helm 4 a helm 4, and kubectl runs."""
    assert run_tool(helm(3), "version", "--short").startswith("v3.")
    assert run_tool(helm(4), "version", "--short").startswith("v4.")
    assert "Client Version: v1." in run_tool(kubectl(), "version", "--client")


@pytest.mark.shared
@pytest.mark.parametrize("kube_version", [FLOOR_VERSION, NEWEST_VERSION])
@pytest.mark.parametrize("name", NAMES)
def test_an_api_server_would_take_every_object(name: str, kube_version: str) -> None:
    """Built-in kinds, custom resources and the pods in them keep to their schemas; no kind is unknown."""
    objects = rendered(name)
    assert schema_problems(objects, kube_version) == []
    inner = len(ray_pods(objects))
    assert inner >= 2
    print(f"tier 2: {name}, Kubernetes {kube_version}: {len(objects)} objects, {inner} pods in Ray's")


@pytest.mark.parametrize("name", NAMES)
def test_the_policy_is_kept(name: str) -> None:
    """Security, resources, probes, selectors, ports, references, network, disruption: nothing to say."""
    objects = rendered(name)
    assert policy_problems(objects, given_to(name)) == []
    counts = f"{len(pods_of(objects))} pods, {len(processes_of(objects))} containers"
    print(f"tier 4: {name}: {len(CHECKS)} checks on {len(objects)} objects, {counts}")


@pytest.mark.parametrize("name", NAMES)
def test_two_releases_in_one_namespace_share_nothing(name: str) -> None:
    """No name of one is a name of the other, and no selector of one finds a pod of the other."""
    first, second = rendered(name), rendered(name, release="night-watch")
    assert collisions(first, second) == []
    print(f"tier 4: {name}: {len(first)} and {len(second)} objects of two releases")


@pytest.mark.parametrize("name", NAMES)
def test_the_chart_means_what_the_program_means(name: str) -> None:
    """KubeRay's rules, Ray's model of the Serve configuration, the program's site file, shards and topics."""
    objects = rendered(name)
    assert meaning_problems(objects) == []
    print(f"tier 5: {name}: {len(RULES)} groups of rules on {len(objects)} objects")


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"drain_for": "15s", "cluster": {"scale_up_after": "1m30s", "batch_frames": 512}}},
        {"settings": {"bus": {"partitions": 1, "in_flight": 7}, "cluster": {"watchers": {"min": 2, "max": 3}}}},
        {"settings": {"bus": {"max_message_bytes": 100_000_000, "frames_retention_bytes": 3_000_000_000}}},
        {"settings": {"cluster": {"vlm": {"min": 0, "max": 2, "num_cpus": 0.25}}}, "models": {"vlm": "builtin"}},
        {"settings": {"reasoning": {"deadline": "250ms", "workers": 64}}, "models": {"encoder": "onnx:/opt/e.onnx"}},
        {"models": {"detector": "builtin", "vlm": "openai:http://vllm:8000/v1#m"}},
    ],
)
def test_the_serve_configuration_follows_the_settings_as_the_programs_does(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    """Durations, bounds, sizes and models changed: what the chart makes is what `sightline cluster config` makes."""
    more = tmp_path / "values.yaml"
    more.write_text(json.dumps({"siteFile": changes}))
    objects = template(CHART, values=[*values_of("cpu"), more])
    assert [text for text in serve_rules(objects) if "the workers have" not in text] == []


@pytest.mark.shared
@pytest.mark.parametrize(
    ("switch", "allowed"),
    [
        ("networkPolicy.enabled=false", "network: "),
        ("podDisruptionBudgets.enabled=false", "disruption: "),
        ("test.enabled=false", "nothing"),
        ("console.enabled=false,console.ingress.enabled=false", "nothing"),
        ("console.ingress.enabled=false", "nothing"),
        ("priorityClasses.create=false", "nothing"),
        ("models.source=airgapped", "nothing"),
        (
            "models.cache.enabled=false,models.files=null,siteFile.models.encoder=builtin,"
            "siteFile.models.detector=builtin,siteFile.models.vlm=builtin",
            "nothing",
        ),
        ("ray.redis.address=", "nothing"),
        ("ray.auth=disabled,ray.upgradeStrategy=None", "nothing"),
    ],
)
def test_every_switch_can_be_turned(switch: str, allowed: str) -> None:
    """With one part off or otherwise, the rest is as whole as before."""
    objects = template(CHART, values=values_of(EVERYTHING), sets=[switch])
    assert objects != rendered(EVERYTHING)
    assert schema_problems(objects, FLOOR_VERSION) == []
    assert meaning_problems(objects) == []
    given = {key: value for key, value in given_to(EVERYTHING).items() if key != "egress"}
    assert [text for text in policy_problems(objects, given) if not text.startswith(allowed)] == []


def test_traces_have_a_way_out_where_they_are_sent() -> None:
    """Ingest and the stages reach a collector's port once one is named, and not before."""

    def with_hole(objects: list[Object]) -> set[str]:
        policies = [one for one in objects if one["kind"] == "NetworkPolicy"]
        return {one["metadata"]["name"] for one in policies if {"port": 4318} in _egress_ports(one)}

    traced = template(CHART, values=values_of("cpu"), sets=["siteFile.settings.tracing.endpoint=http://collector:4318"])
    assert with_hole(rendered("cpu")) == set()
    assert with_hole(traced) == {"sightline-ingest", "sightline-ray-cpu"}


def _egress_ports(policy: Object) -> list[Object]:
    return [port for rule in policy["spec"].get("egress") or () for port in rule.get("ports") or ()]


def test_the_notes_say_what_an_upgrade_costs() -> None:
    """Whoever installs reads how many GPUs an upgrade needs."""
    files = [word for path in values_of("100-cameras") for word in ("--values", str(path))]
    said = run_tool(helm(4), "install", "sightline", CHART, "--namespace", "video", "--dry-run=client", *files)
    assert "4 GPUs at least (8 at most)" in said.partition("NOTES:")[2]


def test_everything_is_rendered_somewhere() -> None:
    """The rendering with all switches on holds every kind that the chart can make."""
    kinds = {one["kind"] for one in rendered(EVERYTHING)}
    wanted = {"RayService", "StatefulSet", "Job", "PersistentVolumeClaim", "ScaledObject", "PodMonitor", "Pod"}
    assert wanted | {"PriorityClass", "PodDisruptionBudget", "NetworkPolicy", "Service", "ConfigMap"} <= kinds
