"""An API server as far as `kubectl get` needs one: discovery, lists and objects out of a dictionary."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Object = dict[str, Any]
_KINDS = {
    "nodes": ("v1", "Node", False),
    "namespaces": ("v1", "Namespace", False),
    "secrets": ("v1", "Secret", True),
    "resourcequotas": ("v1", "ResourceQuota", True),
    "storageclasses": ("storage.k8s.io/v1", "StorageClass", False),
    "customresourcedefinitions": ("apiextensions.k8s.io/v1", "CustomResourceDefinition", False),
}
"""Resource to API version, kind and whether it is in a namespace."""


@dataclass
class FakeCluster:
    """What the server tells; change it between questions."""

    version: str = "1.31"
    objects: dict[str, list[Object]] = field(default_factory=lambda: {name: [] for name in _KINDS})
    forbidden: set[str] = field(default_factory=set)
    """Resources that may not be looked at."""

    def add(self, resource: str, name: str, namespace: str = "", /, **fields: Any) -> None:
        """Put an object there; `labels` and `annotations` go to its metadata."""
        api_version, kind, is_namespaced = _KINDS[resource]
        metadata = {"name": name} | ({"namespace": namespace} if is_namespaced else {})
        metadata |= {key: fields.pop(key) for key in ("labels", "annotations") if key in fields}
        one = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
        self.objects[resource] = [old for old in self.objects[resource] if old["metadata"] != metadata] + [one]

    def answer(self, path: str) -> tuple[int, Object]:
        """Status and body of a GET."""
        parts = path.partition("?")[0].strip("/").split("/")
        if parts == ["version"]:
            major, minor = self.version.split(".")
            return 200, {"major": major, "minor": minor, "gitVersion": f"v{self.version}.0", "platform": "linux/amd64"}
        if parts == ["api"]:
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if parts == ["apis"]:
            return 200, _groups()
        api_version, rest = ("v1", parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
        return self._resource(api_version, rest) if rest else (200, _resources(api_version))

    def _resource(self, api_version: str, rest: list[str]) -> tuple[int, Object]:
        namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 2 else ""
        name, *wanted = rest[2:] if namespace else rest
        if name in self.forbidden:
            return 403, _status(403, "Forbidden", f'{name} is forbidden: User "viewer" cannot list resource "{name}"')
        found = [one for one in self.objects[name] if one["metadata"].get("namespace", "") == namespace]
        if not wanted:
            return 200, {"apiVersion": api_version, "kind": f"{_KINDS[name][1]}List", "metadata": {}, "items": found}
        named = [one for one in found if one["metadata"]["name"] == wanted[0]]
        return (200, named[0]) if named else (404, _status(404, "NotFound", f'{name} "{wanted[0]}" not found'))


def _groups() -> Object:
    names = sorted({version.split("/")[0] for version, _, _ in _KINDS.values() if "/" in version})
    versions = {name: {"groupVersion": f"{name}/v1", "version": "v1"} for name in names}
    groups = [{"name": name, "versions": [one], "preferredVersion": one} for name, one in versions.items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _resources(api_version: str) -> Object:
    found = [
        {
            "name": name,
            "singularName": kind.lower(),
            "namespaced": is_namespaced,
            "kind": kind,
            "verbs": ["get", "list"],
        }
        for name, (version, kind, is_namespaced) in _KINDS.items()
        if version == api_version
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": found}


def _status(code: int, reason: str, message: str) -> Object:
    words = {"status": "Failure", "reason": reason, "message": message, "code": code}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, **words}


@contextmanager
def running_api(cluster: FakeCluster, folder: Path) -> Iterator[Path]:
    """Serve it; a kubeconfig that leads there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = cluster.answer(self.path)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield _kubeconfig(folder, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def _kubeconfig(folder: Path, url: str) -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "fake", "cluster": {"server": url}}],
                "users": [{"name": "viewer", "user": {}}],
                "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "viewer"}}],
                "current-context": "fake",
            }
        )
    )
    return path
