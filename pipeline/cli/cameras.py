"""`sightline cameras`: the cameras of a site file, a trial of each, cameras found on the network, and scene cards."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from pipeline.cli.configuration import JsonOption, SiteArgument, settings_for, start_logging
from pipeline.cli.output import EXIT_FAILED, counted, out, plain, say_json
from pipeline.cli.scene_card import describe_camera
from pipeline.cli.times import read_duration
from pipeline.contracts.camera import Camera
from pipeline.errors import ConfigError
from pipeline.site import Site, load_site
from pipeline.telemetry import hide_credentials

if TYPE_CHECKING:
    from pipeline.cli.camera_trial import Trial
    from pipeline.ingest.onvif import CameraCard

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, try, find and describe cameras.")
app.command("describe")(describe_camera)

_PASSWORD_VARIABLE = "SIGHTLINE_ONVIF_PASSWORD"  # noqa: S105 - the name, not a password
_LOOK: dict[str, Any] = {"box": SIMPLE, "pad_edge": False}
_AT_ONCE = 8
_OFF_BY_SECONDS = 5.0
"""A clock that differs by more is worth a word; the same as the default of `ingest.clock_tolerance`."""


@app.callback()
def cameras() -> None:
    """List, try, find and describe cameras."""


@app.command("list")
def list_cameras(site_path: SiteArgument, as_json: JsonOption = False) -> None:
    """Show the cameras of a site file, without passwords."""
    site = load_site(site_path)
    rows = [_listed(camera) for camera in site.cameras]
    if as_json:
        say_json(rows)
        return
    table = Table("camera", "read from", "labels", "decode", "privacy", "health", **_LOOK)
    for row in rows:
        privacy = [counted(row["masks"], "mask")] * bool(row["masks"]) + ["faces"] * row["blur_faces"]
        health = ", ".join(f"{name} {_debounce(value)}" for name, value in row["health"].items()) or "defaults"
        urls = "\n".join(filter(None, (row["url"], row["fallback_url"])))
        table.add_row(row["id"], urls, ", ".join(row["labels"]), row["decode"], ", ".join(privacy) or "-", health)
    out().print(table)


def _debounce(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g} s"


def _listed(camera: Camera) -> dict[str, Any]:
    fallback = camera.fallback_url
    return {
        "id": camera.id,
        "url": _shown(camera.url.get_secret_value()),
        "fallback_url": _shown(fallback.get_secret_value()) if fallback else None,
        **camera.model_dump(mode="json", include={"labels", "decode", "blur_faces", "health"}),
        "masks": len(camera.masks),
    }


def _shown(url: str) -> str:
    return plain(hide_credentials(url))


@app.command("test")
def try_cameras(
    site_path: SiteArgument,
    ids: Annotated[list[str] | None, typer.Option("--camera", help="Only this camera; may be repeated.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Open each camera as a run would and say what comes, or why nothing does.

    \b
      sightline cameras test site.yaml --camera yard
    Exit status 1 when one fails.
    """
    from pipeline.cli.camera_trial import try_camera

    site = load_site(site_path)
    settings = settings_for(site, log_level="error")
    start_logging(settings, site)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        wanted = _wanted(site, ids)
        trials = list(pool.map(lambda camera: try_camera(camera, settings.ingest, site.models.faces), wanted))
    if as_json:
        say_json([asdict(trial) for group in trials for trial in group])
    else:
        for trial in (trial for group in trials for trial in group):
            out().print(_told(trial))
    if any(trial.problem for group in trials for trial in group):
        raise typer.Exit(EXIT_FAILED)


def _wanted(site: Site, ids: list[str] | None) -> list[Camera]:
    known = {camera.id: camera for camera in site.cameras}
    for name in ids or ():
        if name not in known:
            raise ConfigError(f"no camera is called {name!r}; there are: {', '.join(known) or 'none'}")
    return [known[name] for name in dict.fromkeys(ids)] if ids else list(known.values())


def _told(trial: Trial) -> Text:
    name = f"{trial.camera_id}{' (fallback_url)' if trial.is_fallback else ''}: "
    if trial.problem:
        return Text.assemble(("WRONG  ", "bold red"), plain(name + trial.problem))
    size = f"{trial.width}x{trial.height}"
    pace = f", {trial.fps:.1f} frames a second" if trial.fps else ""
    clock = f"; its clock is {trial.clock_offset_seconds:+.1f} s off" if trial.clock_offset_seconds else ""
    first = f", the first after {trial.first_frame_seconds:.1f} s"
    return Text.assemble(("ok     ", "green"), plain(f"{name}frames of {size}{pace}{first}{clock}"))


@app.command("discover")
def discover_cameras(
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="How long to listen.")] = "3s",
    address: Annotated[
        str, typer.Option("--address", metavar="HOST[:PORT]", help="Ask one address instead of the whole network.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Find ONVIF cameras on this network; nothing is sent but one question.

    \b
      sightline cameras discover
      sightline cameras profiles 192.168.1.20 --user admin
    """
    from pipeline.ingest.discovery import DISCOVERY_PORT, discover

    place = _host_and_port(address, DISCOVERY_PORT) if address else None
    found = discover(read_duration(timeout), place)
    if as_json:
        say_json([asdict(camera) for camera in found])
        return
    if not found:
        out().print(
            "no camera answered. Multicast does not leave a subnet and is blocked by many Wi-Fi networks, firewalls "
            "and containers (run with the host's network); ONVIF may be switched off in the camera. "
            "Try --address HOST, or the RTSP addresses in docs/cameras.md."
        )
        return
    table = Table("host", "port", "name", "hardware", **_LOOK)
    for camera in found:
        table.add_row(camera.host, str(camera.port), plain(camera.name), plain(camera.hardware))
    out().print(table)


@app.command("profiles")
def show_profiles(
    address: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="The camera; port 80 unless given.")],
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="A user of the camera.")],
    as_json: JsonOption = False,
) -> None:
    """Show the streams an ONVIF camera offers, and an entry for the site file.

    The password is read from SIGHTLINE_ONVIF_PASSWORD, or asked for; it is not shown and never an argument.
    """
    host, port = _host_and_port(address, 80)
    start_logging(settings_for(None, log_level="error"))
    from pipeline.ingest.onvif import read_card

    password = os.environ.get(_PASSWORD_VARIABLE) or typer.prompt(f"Password of {user}", hide_input=True, err=True)
    card = read_card(host, port, user, password)
    if as_json:
        say_json(asdict(card))
        return
    out().print(plain(f"{card.maker} {card.model}".strip() or host))
    if abs(card.clock_ahead_seconds) > _OFF_BY_SECONDS:
        out().print(f"its clock is {card.clock_ahead_seconds:+.0f} s off: give it a time server")
    table = Table("profile", "codec", "size", "fps", "address", **_LOOK)
    for profile in card.profiles:
        size, rate = f"{profile.width}x{profile.height}", f"{profile.fps:g}"
        table.add_row(*map(plain, (profile.name, profile.codec or "?", size, rate, profile.url)))
    out().print(table)
    out().print(plain(_site_entry(card)))


def _site_entry(card: CameraCard) -> str:
    """An entry that reads the smallest stream and falls back on the largest, and the variables it needs."""
    if not card.profiles:
        return "it offers no stream"
    name = "-".join("".join(char if char.isalnum() else " " for char in card.model.lower()).split()) or "camera"
    variable = name.replace("-", "_").upper()
    main, sub = card.profiles[0], card.profiles[-1]
    entry = ["for the site file:", "  cameras:", f"    - id: {name}", f"      url: ${{{variable}_URL}}"]
    exports = [f"  {variable}_URL={_with_placeholders(sub.url)}"]
    if main != sub:
        entry.append(f"      fallback_url: ${{{variable}_MAIN_URL}}")
        exports.append(f"  {variable}_MAIN_URL={_with_placeholders(main.url)}")
    return "\n".join([*entry, "for the environment, with the user and password of the camera:", *exports])


def _with_placeholders(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://USER:PASSWORD@{rest}"


def _host_and_port(address: str, default_port: int) -> tuple[str, int]:
    """Split `HOST`, `HOST:PORT` or `[IPv6]:PORT`."""
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"expected HOST or HOST:PORT, got {plain(address)!r} ({error})") from error
    if not host or parts.path or parts.query or parts.username is not None:
        raise ConfigError("expected HOST or HOST:PORT, such as 192.168.1.20:8000; no scheme, no path, no password")
    return host, port or default_port
