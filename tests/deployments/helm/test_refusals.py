"""What no schema holds is refused while the chart is rendered, with one sentence that says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deployments.helm.renderings import values_of
from tests.support.kubernetes import CHART, RenderError, template

_STAGE = "siteFile.settings.cluster"


@pytest.mark.parametrize(
    ("values", "sets", "said"),
    [
        ("cpu", ["secrets.existingSecret="], "secrets.existingSecret is empty: make a secret"),
        ("cpu", ["siteFile.settings.bus.servers="], "name the Kafka brokers"),
        ("cpu", ["siteFile.settings.evidence.url="], "name a bucket"),
        ("cpu", ["siteFile.settings.bus.password=hunter2"], "put them into the secret as SIGHTLINE_BUS__PASSWORD"),
        ("cpu", ["siteFile.settings.database_url=postgresql://x"], "SIGHTLINE_DATABASE_URL"),
        ("cpu", ["siteFile.settings.access.oidc.client_secret=x"], "SIGHTLINE_ACCESS__OIDC__CLIENT_SECRET"),
        ("cpu", ["console.ingress.enabled=true"], "give the host that people type"),
        ("cpu", ["siteFile.models.vlm_api_key=sk-1"], "write ${NAME} instead"),
        ("cpu", ["siteFile.channels.guards.secret=whsec_1"], "write ${NAME} instead"),
        ("cpu", ["siteFile.cameras[0].url=rtsp://viewer:hunter2@camera/1"], "holds a password"),
        ("cpu", ["siteFile.cameras[0].id=helm-test"], "choose another id"),
        ("cpu", ["ray.redis.address=redis:6379"], "ray.redis.existingSecret is empty"),
        ("cpu", ["siteFile.settings.drain_for=2m"], "deleteOldClusterAfterSeconds must be at least"),
        ("cpu", ["ray.cpu.minReplicas=3"], "raise the second or lower the first"),
        ("cpu", [f"{_STAGE}.watchers.min=9"], "min (9) is above max (2)"),
        ("cpu", [f"{_STAGE}.watchers.num_cpus=9"], "raise ray.cpu.cpus"),
        ("cpu", [f"{_STAGE}.watchers.num_gpus=1"], "there are no GPU workers: set ray.gpu.enabled"),
        ("cpu", ["ray.gpu.enabled=true"], "no stage reserves a GPU"),
        ("cpu", ["siteFile.models.detector=/models/yolox.onnx"], "set models.cache.enabled"),
        ("cpu", ["siteFile.models.detector=PekingU/rtdetr_r50vd"], "/models/PekingU/rtdetr_r50vd"),
        ("cpu", ["models.cache.enabled=true"], "list the files with their SHA-256 sums"),
        ("cpu", ["models.cache.enabled=true", "models.source=unchecked"], "models.sizeGiB is 0"),
        ("one-node", [f"{_STAGE}.encoder.num_gpus=2"], "fits on no GPU worker"),
        ("cpu", ["priorityClasses.create=false", "priorityClasses.stages.existing=high"], "name both"),
    ],
)
def test_a_wrong_combination_is_refused_with_a_way_out(values: str, sets: list[str], said: str) -> None:
    """One sentence, and in it what to change."""
    with pytest.raises(RenderError) as caught:
        template(CHART, values=values_of(values), sets=sets)
    assert said in str(caught.value)


@pytest.mark.parametrize("release", ["a-release-whose-name-is-much-too-long-for-ray", "4-cameras"])
def test_a_release_that_kuberay_would_refuse_is_refused(release: str) -> None:
    """Its name is too long for KubeRay, or no label of DNS."""
    with pytest.raises(RenderError, match=r"choose (a shorter|another) release name"):
        template(CHART, values=values_of("cpu"), release=release)


@pytest.mark.parametrize("major", [3, 4])
def test_too_old_a_kubernetes_is_refused(major: int) -> None:
    """Both helms say which version is needed."""
    with pytest.raises(RenderError, match=r"requires kubeVersion: >=1\.30\.0-0"):
        template(CHART, values=values_of("cpu"), kube_version="1.29", major=major)


def _cameras(count: int, tmp_path: Path) -> Path:
    """Values with so many cameras, each with a zone of eight corners."""
    zone = [[round(0.1 * n, 3), 0.4] for n in range(8)]
    url = "rtsp://viewer:${CAMERA_PASSWORD}@10.20.0.1/stream"
    cameras = [{"id": f"camera-{n}", "url": url, "zones": {"fence": zone}} for n in range(count)]
    path = tmp_path / "cameras.yaml"
    path.write_text(json.dumps({"siteFile": {"cameras": cameras}}))
    return path


def test_a_thousand_cameras_with_zones_fit(tmp_path: Path) -> None:
    """The size that there are values for can be installed: each ConfigMap is under 1 MiB."""
    objects = template(CHART, values=[*values_of("1000-cameras"), _cameras(1000, tmp_path)])
    sizes = [len(json.dumps(one)) for one in objects if one["kind"] == "ConfigMap"]
    print(f"largest ConfigMap: {max(sizes)} bytes")
    assert max(sizes) < 2**20


def test_more_cameras_than_a_configmap_holds_are_refused(tmp_path: Path) -> None:
    """Said while it is rendered, not by an API server in the middle of an upgrade."""
    with pytest.raises(RenderError, match="make two releases of half the cameras each"):
        template(CHART, values=[*values_of("1000-cameras"), _cameras(5000, tmp_path)])


def test_the_chart_alone_says_what_is_missing() -> None:
    """Without any values the first thing missing is the cameras."""
    with pytest.raises(RenderError, match="cameras"):
        template(CHART)
