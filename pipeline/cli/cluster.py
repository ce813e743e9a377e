"""`sightline cluster`: the stages in Ray Serve, started, looked at, checked and stopped.

Ray is imported by the commands that need it, in their bodies.
"""

from __future__ import annotations

import os
import threading
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from pipeline.cli.cluster_demo import demo
from pipeline.cli.configuration import JsonOption, settings_for, start_logging
from pipeline.cli.output import EXIT_FAILED, err, out, plain, say_error, say_json, say_warning, wall_clock
from pipeline.cli.preflight import preflight
from pipeline.cli.signals import stop_on_signals
from pipeline.errors import ConfigError, SightlineError
from pipeline.settings import Settings
from pipeline.site import Site, load_site

if TYPE_CHECKING:
    from pipeline.runtime.serving.ray_cluster import RayCluster

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run the stages as Ray Serve applications, with Kafka between them.",
    epilog="A first time, on one machine: sightline cluster check --site site.yaml; sightline cluster up --site "
    "site.yaml; and in other terminals: sightline ingest site.yaml; sightline api --site site.yaml",
)

app.command()(demo)
app.command()(preflight)

SiteRequired = Annotated[Path, typer.Option("--site", metavar="SITE.YAML", help="The site file.", show_default=False)]
SiteIfAny = Annotated[
    Path | None, typer.Option("--site", metavar="SITE.YAML", help="Also tell what its database still owes.")
]
Address = Annotated[
    str, typer.Option("--address", metavar="HOST:PORT", help="Of the Ray cluster; auto is the one on this machine.")
]


@app.command()
def up(
    site_path: SiteRequired,
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="HOST:PORT", help="Use this Ray cluster (or auto) instead of starting one."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="With --address: return once all runs, or cannot; what runs goes on.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start every stage and stay: incidents and the state of the stages are printed until Ctrl-C.

    \b
      KAFKA_BOOTSTRAP_SERVERS=broker:9092 sightline cluster up --site site.yaml
      sightline cluster up --site site.yaml --address auto --detach     on a Ray cluster that stays
    Without --address Ray starts on this machine, open only to those who have the token in ~/.ray, and ends with this
    command. Broker, topics and database are looked at first. Ctrl-C or SIGTERM finishes what was accepted and ends; a
    second one ends at once.
    Exit status: 0 or 130 stopped, 1 a stage cannot run, 2 the configuration cannot work.
    """
    if detach and address is None:
        raise ConfigError("--detach needs --address: the Ray that starts here ends with this command")
    require_cluster_extra()
    from pipeline.cli.cluster_watch import OwnOutput, settle, watch_until
    from pipeline.cli.screens import choose_screen

    site, settings = _opened(site_path)
    _prepare(settings, is_one_machine=address is None)
    config = _config(site, settings, site_path.absolute())
    stop = threading.Event()
    lines = choose_screen(wall_clock(site.site.zone_info), as_json=as_json, quiet=False, live=False)
    with OwnOutput(lines) as screen, closing(_start(address, config)) as cluster, stop_on_signals(stop) as interruption:
        _refuse_strangers(cluster)
        cluster.deploy(config)
        status = settle(cluster, [one["name"] for one in config["applications"]], stop)
        if status == 0 and not detach:
            status = watch_until(cluster, settings, screen, stop) or interruption.exit_status
        if detach:
            err().print("what runs goes on: sightline cluster down stops it")
        else:
            err().print("the stages drain and stop")
            cluster.stop_applications()
    if status:
        raise typer.Exit(status)


@app.command()
def status(address: Address = "auto", site_path: SiteIfAny = None, as_json: JsonOption = False) -> None:
    """Show applications, replicas, how far each stage is behind, and what is still owed.

    \b
      sightline cluster status --site site.yaml
      sightline cluster status --json | jq '.applications[] | select(.status != "RUNNING")'
    Exit status: 0 everything runs, 1 something does not, or no cluster answers.
    """
    require_cluster_extra()
    from pipeline.cli.cluster_watch import look, show

    settings = _opened(site_path)[1] if site_path else None
    with closing(_connected(address)) as cluster:
        seen = look(cluster, settings)
    if as_json:
        say_json(seen.as_json())
    else:
        show(seen)
    if not seen.is_all_running:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def down(address: Address = "auto") -> None:
    """Drain and stop all stages. A Ray cluster with an address of its own goes on without them.

    \b
      sightline cluster down
    What was accepted is finished, within `drain_for`; what is owed stays in the database for the next start.
    """
    require_cluster_extra()
    with closing(_connected(address)) as cluster:
        _refuse_strangers(cluster)
        names = [application.name for application in cluster.applications()]
        cluster.stop_applications()
    err().print(f"stopped: {', '.join(names)}" if names else "there was nothing to stop")


@app.command()
def config(
    site_path: SiteRequired,
    mounted_at: Annotated[
        str | None, typer.Option("--mounted-at", metavar="PATH", help="Where replicas find the site file.")
    ] = None,
) -> None:
    """Print the Serve configuration of a site: for `serve deploy`, for a RayService of Kubernetes, or to read.

    \b
      sightline cluster config --site site.yaml --mounted-at /etc/sightline/site.yaml > serve.yaml
    It holds no secrets: replicas read the site file at its path, and ${NAME} from their environment.
    """
    site, settings = _opened(site_path)
    typer.echo(config_text(_config(site, settings, Path(mounted_at) if mounted_at else site_path.absolute())), nl=False)


@app.command()
def check(
    site_path: SiteRequired,
    config_path: Annotated[
        Path | None, typer.Option("--config", metavar="SERVE.YAML", help="Also check this Serve configuration.")
    ] = None,
) -> None:
    """Look at everything a cluster needs before it is started: settings, broker, topics, database.

    \b
      sightline cluster check --site site.yaml
      sightline cluster check --site site.yaml --config serve.yaml      one that was changed by hand
    Exit status: 0 all is well, 1 something outside is not, 2 the configuration cannot work.
    """
    require_cluster_extra()
    from pipeline.app.serve_config import check_config
    from pipeline.runtime.serving.sizing import call_limits

    site, settings = _opened(site_path)
    _config(site, settings, site_path.absolute())
    if config_path is not None:
        check_config(_read_yaml(config_path), settings)
    limits = call_limits(settings.cluster, settings.bus)
    out().print(f"calls of {limits.batch_frames} frames in {limits.message_bytes} bytes: the limits fit together")
    problems = [*bus_problems(settings), *database_problems(settings, is_one_machine=False)]
    for problem in problems:
        say_error(problem)
    if problems:
        raise typer.Exit(EXIT_FAILED)
    out().print(f"broker {settings.bus.servers} and the database are ready")


def config_text(given: dict[str, Any]) -> str:
    """A Serve configuration as YAML, with a line that says where it comes from."""
    head = "# Made by `sightline cluster config`; change the site file's settings and make it again.\n"
    return head + yaml.safe_dump(given, sort_keys=False, width=110)


def _opened(site_path: Path) -> tuple[Site, Settings]:
    site = load_site(site_path)
    settings = settings_for(site)
    start_logging(settings, site, is_service=True)
    return site, settings


def _config(site: Site, settings: Settings, site_path: Path) -> dict[str, Any]:
    from pipeline.app.serve_config import serve_config

    return serve_config(site, settings, str(site_path))


def _start(address: str | None, config: dict[str, Any]) -> RayCluster:
    from pipeline.app.serve_config import num_cpus_needed
    from pipeline.runtime.serving.ray_cluster import RayCluster

    if address is not None:
        return RayCluster(address, on_line=_say_line)
    cores, needed = os.cpu_count() or 1, num_cpus_needed(config)
    if needed > cores:
        say_warning(
            f"the stages reserve {needed:g} CPUs and this machine has {cores}: they share them, and none scales"
        )
    return RayCluster(num_cpus=max(cores, needed), on_line=_say_line)


def _refuse_strangers(cluster: RayCluster) -> None:
    """Serve has one configuration: to deploy ours, or to stop it, would end the applications of others."""
    from pipeline.app.serve_config import APPLICATIONS

    strangers = [one.name for one in cluster.applications() if one.name not in APPLICATIONS]
    if strangers:
        raise ConfigError(f"this Ray cluster also serves {', '.join(strangers)}: give Sightline one of its own")


def _say_line(name: str, line: str) -> None:
    err().print(f"{name} | {plain(line)}")


def _connected(address: str) -> RayCluster:
    from pipeline.runtime.serving.ray_cluster import RayCluster

    return RayCluster(address)


def _prepare(settings: Settings, *, is_one_machine: bool) -> None:
    """Topics and tables are there when this returns."""
    from pipeline.transport.kafka import KafkaBus

    if not settings.bus.servers:
        raise ConfigError("no broker is named: set bus.servers in the site file's settings or KAFKA_BOOTSTRAP_SERVERS")
    KafkaBus(settings.bus, "cluster-up").ensure_topics()
    problems = [*bus_problems(settings), *database_problems(settings, is_one_machine=is_one_machine)]
    if problems:
        raise ConfigError("the cluster cannot start:\n" + "\n".join(f"  {problem}" for problem in problems))


def bus_problems(settings: Settings) -> list[str]:
    """What is wrong with the broker and its topics, in words."""
    from pipeline.transport.kafka import KafkaBus

    if not settings.bus.servers:
        return ["no broker is named: set bus.servers in the site file's settings or KAFKA_BOOTSTRAP_SERVERS"]
    return KafkaBus(settings.bus, "cluster-check").examine(settings.cluster.watchers.min)


def database_problems(settings: Settings, *, is_one_machine: bool) -> list[str]:
    """What is wrong with the database, in words."""
    from pipeline.app.stores import open_stores

    is_sqlite = not settings.database_url or settings.database_url.startswith("sqlite")
    if is_sqlite and not is_one_machine:
        return ["SQLite is a file of one machine: set database_url to postgresql://… (SIGHTLINE_DATABASE_URL)"]
    if is_sqlite:
        say_warning("the database is SQLite: right for a trial on this machine, PostgreSQL is for a cluster")
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        open_stores(settings).close()
    except SightlineError as error:
        return [str(error)]
    return []


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def require_cluster_extra() -> None:
    """`ConfigError` that names what is missing and how to get it."""
    missing = [name for name in ("ray", "kafka") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"a cluster needs {' and '.join(missing)}: pip install 'sightline[cluster]'")
