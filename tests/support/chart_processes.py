"""The pods of a rendered chart as plain processes on this machine, looked after as a kubelet would: environment and
mounts resolved, probes asked, SIGTERM and the grace period.

What a pod finds elsewhere than here (mount paths, ports, names of services) stands in a table; nothing else of a
command or a configuration is changed, and the table is told.
"""

from __future__ import annotations

import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.cli.demo_services import free_port
from tests.support.kubernetes import Object, Process, processes_of
from tests.support.process_tree import family

_VARIABLE = re.compile(r"\$\(([A-Z_]+)\)")


class PodError(AssertionError):
    """A container would be restarted or killed; with the last of what it said."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ended."""

    status: int
    seconds: float
    """From SIGTERM."""
    grace_seconds: int


def translated(text: str, table: Mapping[str, str]) -> str:
    """Every key of the table in the text replaced by its value, the longest first and none twice.

    A number is replaced only where it stands alone.
    """
    words = sorted(table, key=len, reverse=True)
    pattern = "|".join(rf"\b{word}\b" if word.isdigit() else re.escape(word) for word in words)
    return re.sub(pattern, lambda found: table[found[0]], text) if words else text


@dataclass(slots=True)
class Node:
    """One machine that runs the pods of a release.

    `outside` says where services, buckets and cameras are on this machine; `secrets` holds the release's, by name.
    """

    folder: Path
    objects: Sequence[Object]
    outside: Mapping[str, str]
    secrets: Mapping[str, Mapping[str, str]]
    mapped: dict[str, str] = field(default_factory=dict)
    """Everything that was replaced, `POD: what it is in the cluster` to what it is here."""
    _running: list[Container] = field(default_factory=list)

    def start(
        self,
        name_end: str,
        *,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        ports: Mapping[int, int] | None = None,
    ) -> Container:
        """Start the one container whose name ends so. `command` and `environment` are what an operator adds to it,
        `ports` those that were promised to others; every other port is a free one."""
        process = self.process(name_end)
        place = self.folder / process.name.replace("/", "-")
        place.mkdir(exist_ok=True)
        own_ports = {port: free_port() for port in process.ports.values()} | dict(ports or {})
        table = self._table(process, place, own_ports)
        values = {**self._environment(process, table), **(environment or {})}
        words = [translated(_expanded(word, values), table) for word in command or process.command]
        container = Container(process, words, values, place, table)
        self._running.append(container)
        return container

    def stop(self) -> None:
        """Kill what still runs."""
        for container in self._running:
            container.kill()

    def process(self, name_end: str) -> Process:
        """The container whose name ends so, as the chart has it."""
        found = [one for one in processes_of(self.objects) if one.name.endswith(name_end)]
        assert len(found) == 1, f"expected one container …{name_end}, got {[one.name for one in found]}"
        return found[0]

    def _table(self, process: Process, place: Path, ports: Mapping[int, int]) -> dict[str, str]:
        """Where this container's mounts and ports are here; ConfigMaps are written on the way."""
        found = {str(port): str(here) for port, here in ports.items()}
        for path, volume in process.mounts.items():
            here = place / path.strip("/").replace("/", "-")
            found[path] = str(here)
            here.mkdir(exist_ok=True)
            for name, text in self._files(volume):
                (here / name).write_text(translated(text, self.outside))
        self.mapped |= {f"{process.name}: {key}": value for key, value in found.items()}
        return found

    def _files(self, volume: Object) -> Iterable[tuple[str, str]]:
        if "configMap" not in volume:
            return ()
        name = volume["configMap"]["name"]
        kept = [one for one in self.objects if one["kind"] == "ConfigMap" and one["metadata"]["name"] == name]
        return kept[0]["data"].items()

    def _environment(self, process: Process, table: Mapping[str, str]) -> dict[str, str]:
        """The container's alone, but for the programs' path, which the image sets."""
        values = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        for source in process.from_objects:
            values |= self.secrets[source["secretRef"]["name"]]
        for name, value in process.environment.items():
            values[name] = translated(value, table) if isinstance(value, str) else _field(value)
        return values


class Container:
    """One running process of a pod."""

    def __init__(
        self,
        process: Process,
        words: Sequence[str],
        environment: Mapping[str, str],
        place: Path,
        table: Mapping[str, str],
    ) -> None:
        """Start it in `place`, in a session of its own."""
        self.process = process
        self.table = table
        """Where its mounts and ports are here."""
        self._log = place / "log"
        self._family: list[int] = []
        self._told = 0.0
        with self._log.open("ab") as file:
            self._popen = subprocess.Popen(
                list(words),
                cwd=place,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def port(self, name: str | int) -> int:
        """Here, of a port by its name or number in the pod."""
        return int(self.table[str(self.process.ports[name] if isinstance(name, str) else name)])

    def wait_until_ready(self) -> float:
        """Seconds until the startup probe and then the readiness probe answer; `PodError` where a kubelet gives up."""
        began = time.monotonic()
        for name in ("startupProbe", "readinessProbe"):
            if probe := self.process.probes.get(name):
                self._wait_for(name, probe)
        return time.monotonic() - began

    def answers(self, probe_name: str) -> bool:
        """One attempt, with the probe's own timeout."""
        probe = self.process.probes[probe_name]
        timeout = float(probe.get("timeoutSeconds", 1))
        if "tcpSocket" in probe:
            return _is_listening(self.port(probe["tcpSocket"]["port"]), timeout)
        if "httpGet" in probe:
            get = probe["httpGet"]
            return _is_ok(f"http://127.0.0.1:{self.port(get['port'])}{get.get('path', '/')}", timeout)
        return subprocess.run(probe["exec"]["command"], capture_output=True, timeout=timeout).returncode == 0

    def wait(self, seconds: float) -> int:
        """The exit status of one that ends by itself."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise PodError(self._said(f"did not end within {seconds:.0f} s")) from None

    def send_sigterm(self) -> None:
        """To the container's first process alone, as at the end of a pod."""
        self._family = family(self._popen.pid)
        self._told = time.monotonic()
        self._popen.send_signal(signal.SIGTERM)

    def ended(self) -> Ended:
        """After `send_sigterm`: how it ended; `PodError` when the grace period was not enough."""
        grace = self.process.grace_seconds
        try:
            status = self._popen.wait(max(0.0, self._told + grace - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise PodError(self._said(f"did not end within its grace period of {grace} s")) from None
        seconds = time.monotonic() - self._told
        _kill(self._family)  # as the kernel ends what is left in a container whose first process has ended
        return Ended(status, seconds, grace)

    def kill(self) -> None:
        """It and all that it began, if it still runs."""
        if self._popen.poll() is None:
            _kill(family(self._popen.pid))
        self._popen.wait()

    def said(self) -> str:
        """All of its output until now."""
        return self._log.read_text(errors="replace")

    def _wait_for(self, name: str, probe: Object) -> None:
        period, attempts = probe.get("periodSeconds", 10), probe.get("failureThreshold", 3)
        if name == "readinessProbe":  # never gives up; as long as a startup may take is long enough here
            attempts = math.ceil(180 / period)
        for _ in range(attempts):
            if self._popen.poll() is not None:
                raise PodError(self._said(f"ended with {self._popen.returncode} before its {name} answered"))
            if self.answers(name):
                return
            time.sleep(period)
        raise PodError(self._said(f"{name} did not answer {attempts} times, every {period} s"))

    def _said(self, what: str) -> str:
        return f"{self.process.name}: {what}\n{self.said()[-3000:]}"


def _expanded(word: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values[found[1]], word)


def _field(source: Object) -> str:
    """Of the first pod of a set."""
    path = source["fieldRef"]["fieldPath"]
    assert path == "metadata.labels['apps.kubernetes.io/pod-index']", f"no answer for {path}"
    return "0"


def _is_listening(port: int, timeout: float) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout):
        return True
    return False


def _is_ok(url: str, timeout: float) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return 200 <= int(answer.status) < 400
    except (OSError, urllib.error.HTTPError):
        return False


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
