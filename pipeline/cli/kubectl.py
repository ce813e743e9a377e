"""What a Kubernetes cluster says of itself, asked through the user's own `kubectl`, with the user's own rights."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from pipeline.errors import ConfigError, TransientError

_ANSWER_SECONDS = 20.0


class Kubectl:
    """Asks, and changes nothing. What was answered once is not asked again: one object for one look."""

    def __init__(self, program: str = "kubectl", context: str = "") -> None:
        """`ConfigError` when there is no such program. `context` as in the kubeconfig; empty is the current one."""
        found = shutil.which(program)
        if found is None:
            raise ConfigError(f"no program {program} is found: install kubectl, or name it with --kubectl")
        self._command = [found, *([f"--context={context}"] if context else [])]
        self._answers: dict[tuple[str, ...], dict[str, Any]] = {}

    def server_version(self) -> tuple[int, int]:
        """Major and minor, such as (1, 31)."""
        told = self._ask("version").get("serverVersion") or {}
        try:
            return int(told["major"]), int(told["minor"].rstrip("+"))
        except (KeyError, ValueError) as error:
            raise TransientError("kubectl names no version of the API server: is one running?") from error

    def items(self, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        """Every object of a kind, e.g. `nodes`."""
        found: list[dict[str, Any]] = self._ask("get", kind, *_within(namespace)).get("items", [])
        return found

    def item(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """One object; None when it is not there."""
        return self._ask("get", kind, name, "--ignore-not-found", *_within(namespace)) or None

    def _ask(self, *words: str) -> dict[str, Any]:
        if words not in self._answers:
            self._answers[words] = self._ask_anew(words)
        return self._answers[words]

    def _ask_anew(self, words: tuple[str, ...]) -> dict[str, Any]:
        command = [*self._command, *words, "--output=json", f"--request-timeout={_ANSWER_SECONDS:g}s"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=2 * _ANSWER_SECONDS, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TransientError(f"kubectl {' '.join(words)} does not end: {error}") from error
        if done.returncode:
            raise TransientError(f"kubectl {' '.join(words)}: {_last_line(done.stderr)}")
        return _read(done.stdout, words)


def _within(namespace: str) -> list[str]:
    return [f"--namespace={namespace}"] if namespace else []


def _read(text: str, words: tuple[str, ...]) -> dict[str, Any]:
    try:
        told = json.loads(text or "{}")
    except ValueError as error:
        raise TransientError(f"kubectl {' '.join(words)}: expected JSON, got {text[:80]!r}") from error
    if not isinstance(told, dict):
        raise TransientError(f"kubectl {' '.join(words)}: expected an object, got {text[:80]!r}")
    return told


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "it failed and says nothing"
