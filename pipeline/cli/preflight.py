"""`sightline cluster preflight`: would the chart work in this Kubernetes cluster, and if not, what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.configuration import JsonOption, settings_for, start_logging
from pipeline.cli.findings import Finding, tell_findings
from pipeline.settings import Settings
from pipeline.site import Site, load_site

if TYPE_CHECKING:
    from pipeline.cli.preflight_checks import Wanted

_NAME = "sightline"
"""Of namespace and secret, as the documentation has them."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class _Options:
    site_path: Path
    namespace: str
    secret: str
    storage_class: str
    kubectl: str
    context: str


class Part(StrEnum):
    """What can be left out."""

    KUBERNETES = "kubernetes"
    KAFKA = "kafka"
    DATABASE = "database"


def preflight(
    site_path: Annotated[Path, typer.Option("--site", metavar="SITE.YAML", help="The site file.", show_default=False)],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where the chart will be installed.")] = _NAME,
    secret: Annotated[str, typer.Option(metavar="NAME", help="The chart's secrets.existingSecret.")] = _NAME,
    storage_class: Annotated[
        str, typer.Option(metavar="NAME", help="The one that volumes will ask for; without it, the default one.")
    ] = "",
    skip: Annotated[list[Part] | None, typer.Option(help="Leave this out; may be given again.")] = None,
    kubectl: Annotated[str, typer.Option(metavar="PROGRAM", help="The kubectl to ask with.")] = "kubectl",
    context: Annotated[str, typer.Option(metavar="NAME", help="Of the kubeconfig; without it, the current one.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Name what a Kubernetes cluster lacks for this site, before anything is installed.

    \b
      sightline cluster preflight --site site.yaml
      sightline cluster preflight --site site.yaml -n video --secret depot-secrets --storage-class fast
      sightline cluster preflight --site site.yaml --skip kafka     where its name does not resolve
      sightline cluster preflight --site site.yaml --json | jq '.findings[] | select(.is_ok | not)'
    Looked at, with your kubectl and your rights, and never changed: Kubernetes' version, operators and the versions of
    their resources, the namespace, CPUs and GPUs against what the stages reserve at their least, storage class, quota,
    the keys of the secret; and from here Kafka, its topics and the database.
    Exit status: 0 all is well, 1 something is missing, 2 the configuration cannot work.
    """
    site = load_site(site_path)
    settings = settings_for(site, log_level="error")
    start_logging(settings, site)
    options = _Options(site_path, namespace, secret, storage_class, kubectl, context)
    tell_findings(_look(site, settings, options, skip), as_json=as_json, bad="MISSING", well="all is there")


def _look(site: Site, settings: Settings, options: _Options, skip: list[Part] | None) -> Iterator[Finding]:
    from pipeline.cli.cluster import bus_problems, database_problems, require_cluster_extra
    from pipeline.cli.kubectl import Kubectl
    from pipeline.cli.preflight_checks import findings

    require_cluster_extra()
    left_out = set(skip or ())
    if Part.KUBERNETES not in left_out:
        yield from findings(Kubectl(options.kubectl, options.context), _wanted(site, settings, options))
    if Part.KAFKA not in left_out:
        yield from _told("Kafka", settings.bus.servers, bus_problems(settings))
    if Part.DATABASE not in left_out:
        yield from _told("database", "ready", database_problems(settings, is_one_machine=False))


def _told(what: str, well: str, problems: list[str]) -> Iterator[Finding]:

    if not problems:
        yield Finding(what, True, well)
    for problem in problems:
        yield Finding(what, False, problem)


def _wanted(site: Site, settings: Settings, options: _Options) -> Wanted:
    from pipeline.app.serve_config import serve_config
    from pipeline.cli.preflight_checks import Wanted, needs_of

    num_cpus, num_gpus = needs_of(serve_config(site, settings, str(options.site_path)))
    lines = options.site_path.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    keys = {"SIGHTLINE_DATABASE_URL", *_VARIABLE.findall(text)}
    if settings.bus.security.startswith("sasl"):
        keys.add("SIGHTLINE_BUS__PASSWORD")
    return Wanted(
        namespace=options.namespace,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        secrets={options.secret: frozenset(keys)},
        storage_class=options.storage_class,
        needs_strimzi=bool(re.search(r"\.svc(\.|:|$)", settings.bus.servers)),
    )
