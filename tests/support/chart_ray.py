"""Ray's head and worker of a rendered RayService as plain processes, started and given their configuration as KubeRay
does it."""

from __future__ import annotations

import json
import shlex
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline.cli.demo_services import free_port
from tests.support.chart_processes import Container, Node, translated
from tests.support.kubernetes import Object, named

_OBJECT_STORE_BYTES = 200_000_000
"""Of each pod, since both share the machine's memory; Ray takes 30 % of a pod's."""
_UNITS = {"Mi": 1 << 20, "Gi": 1 << 30}


@dataclass(slots=True)
class RayCluster:
    """Head and worker of the RayService, as KubeRay starts them; then it is given the Serve configuration."""

    node: Node
    token: str
    head: Container = field(init=False)
    worker: Container = field(init=False)

    def start_head(self) -> None:
        """Does not wait."""
        ports = self._ports("/head/ray")
        first = ("--head", f"--port={ports[6379]}", "--no-monitor")
        self.head = self._start("/head/ray", first, f"127.0.0.1:{ports[6379]}", ports)

    def start_worker(self) -> None:
        """Does not wait; the head must be ready."""
        address = f"127.0.0.1:{self.head.port('gcs-server')}"
        self.worker = self._start("/cpu/ray", (f"--address={address}",), address, self._ports("/cpu/ray"))

    def deploy(self) -> None:
        """Hand the configuration to the head's dashboard."""
        service = named(self.node.objects, "RayService")
        mounts = {path: here for path, here in self.worker.table.items() if path.startswith("/etc/")}
        config = yaml.safe_load(translated(service["spec"]["serveConfigV2"], mounts))
        self._ask("PUT", config)

    def applications(self) -> dict[str, str]:
        """State by name."""
        found = self._ask("GET").get("applications", {})
        return {name: one["status"] for name, one in found.items()}

    def _start(self, name_end: str, first: Sequence[str], address: str, ports: Mapping[int, int]) -> Container:
        command = self._command(name_end, first, ports)
        container = self.node.start(name_end, command=command, environment=self._added(address), ports=ports)
        name = container.process.name
        self.node.mapped[f"{name}: /tmp/ray"] = f"{self.node.folder}/ray"
        self.node.mapped[f"{name}: /dev/shm"] = f"/dev/shm, {_OBJECT_STORE_BYTES // 1_000_000} MB of it"
        return container

    def _ask(self, method: str, body: Object | None = None) -> Any:
        url = f"http://127.0.0.1:{self.head.port('dashboard')}/api/serve/applications/"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def _ports(self, name_end: str) -> dict[int, int]:
        return {port: free_port() for port in self.node.process(name_end).ports.values()}

    def _command(self, name_end: str, first: Sequence[str], ports: Mapping[int, int]) -> list[str]:
        """What KubeRay 1.7 writes: `bash -c -- 'ulimit …; ray start …'`, with `rayStartParams` and the pod's memory."""
        given = self._group(name_end)
        memory = given["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
        options = dict(given["rayStartParams"]) | {
            "memory": str(int(memory[:-2]) * _UNITS[memory[-2:]]),
            "dashboard-agent-listen-port": str(ports[52365]),
            "metrics-export-port": str(ports[8080]),
            "object-store-memory": str(_OBJECT_STORE_BYTES),
        }
        if 8265 in ports:
            options |= {"dashboard-port": str(ports[8265]), "ray-client-server-port": str(ports[10001])}
        words = ["ray", "start", *first, "--block", *(f"--{key}={value}" for key, value in sorted(options.items()))]
        return ["/bin/bash", "-c", "--", f"ulimit -n 65536; {shlex.join(words)}"]

    def _group(self, name_end: str) -> Object:
        service = named(self.node.objects, "RayService")
        cluster: Object = service["spec"]["rayClusterConfig"]
        return dict(cluster["headGroupSpec"] if "head" in name_end else cluster["workerGroupSpecs"][0])

    def _added(self, address: str) -> dict[str, str]:
        """KubeRay's own variables; one folder of Ray for both pods, since a machine has one session of it."""
        variables = {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return variables | {"RAY_TMPDIR": str(self.node.folder)}
