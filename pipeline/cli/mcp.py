"""`sightline mcp`: the tools of `ask` for other programs' models."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.alerting.addresses import is_loopback
from pipeline.cli.configuration import DataDirOption, SiteOption
from pipeline.cli.incidents import plan_of
from pipeline.cli.output import err, say_warning
from pipeline.clock import SystemClock
from pipeline.errors import ConfigError
from pipeline.incidents.recorder import IncidentRecorder


def mcp(
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve HTTP there (at /mcp) instead of standard input.")
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let --http name more than loopback. Nobody is asked for a key.")
    ] = False,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Add tools that confirm, reject and acknowledge incidents.")
    ] = False,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
) -> None:
    """Serve what was kept to other programs' models (Model Context Protocol).

    Reads only, unless --allow-changes. Needs pip install 'sightline[mcp]'.

    \b
      sightline mcp --site site.yaml
      sightline mcp --site site.yaml --http 127.0.0.1:8765
    """
    from pipeline.app.mcp import serve_http, serve_stdio
    from pipeline.cli.asking import opened_archive
    from pipeline.search.toolbox import Toolbox

    address = read_address(http, allow_remote=allow_remote) if http is not None else None
    with opened_archive(data_dir, site) as opened:
        recorder = IncidentRecorder(opened.stores.incidents, plan_of(site), SystemClock()) if allow_changes else None
        toolbox = Toolbox(opened.archive, recorder)
        if address is None:
            serve_stdio(toolbox)
            return
        if not is_loopback(address[0]):
            say_warning("whoever can reach this address can read what was kept: put it behind something that asks")
        err().print(f"serving http://{address[0]}:{address[1]}/mcp")
        serve_http(toolbox, *address)


def read_address(text: str, *, allow_remote: bool) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8765` or `[::1]:8765`; `ConfigError` for what is no loopback unless allowed."""
    host, _, port = text.strip().rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not (port.isascii() and port.isdigit() and 0 <= int(port) < 65_536):
        raise ConfigError(f"--http: expected HOST:PORT such as 127.0.0.1:8765, got {text!r}")
    if not is_loopback(host) and not allow_remote:
        raise ConfigError(f"--http: {host} is not loopback, and nobody is asked for a key there; add --allow-remote")
    return host, int(port)
