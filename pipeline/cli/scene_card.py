"""`sightline cameras describe`: the model's description of what a camera looks at, to be read, mended and pasted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from pipeline.cli.configuration import JsonOption, SiteArgument, settings_for, start_logging
from pipeline.cli.output import out, say_json
from pipeline.cli.times import read_duration
from pipeline.errors import ConfigError
from pipeline.site import load_site

if TYPE_CHECKING:
    from pipeline.contracts.assessment import SceneCard
    from pipeline.contracts.camera import Camera
    from pipeline.contracts.frame import EncodedFrame
    from pipeline.settings import Settings
    from pipeline.site import Site


def describe_camera(
    site_path: SiteArgument,
    camera_id: Annotated[str, typer.Argument(metavar="CAMERA", help="The camera's id.")],
    source: Annotated[
        str | None, typer.Option(metavar="FILE", help="A recording or picture of it; else the camera as it is now.")
    ] = None,
    live: Annotated[str, typer.Option(metavar="DURATION", help="Look at the camera so long.")] = "10s",
    pictures: Annotated[int, typer.Option(min=1, max=16, help="So many pictures.")] = 4,
    as_json: JsonOption = False,
) -> None:
    """Describe a camera's scene by the site's model: the place, what is normal there, hazards.

    \b
      sightline cameras describe site.yaml yard
      sightline cameras describe site.yaml yard --source yesterday.mp4 --pictures 8
    The card comes as YAML for the camera's entry in the site file, which stays as it is: read it, and mend it. It is
    told to the model with every verdict on this camera.
    """
    site = load_site(site_path)
    camera = site.camera(camera_id)
    if camera is None:
        raise ConfigError(f"no camera is called {camera_id!r}; there are: {', '.join(one.id for one in site.cameras)}")
    settings = settings_for(site)
    start_logging(settings.model_copy(update={"log_level": "warning"}), site)
    frames = _frames(camera, site, settings, source, read_duration(live), pictures)
    card = _described(site, settings, frames, site_path)
    if as_json:
        say_json({"camera_id": camera.id, "scene": card.model_dump(mode="json")})
    else:
        out().print(_entry(camera.id, card), end="")


def _frames(
    camera: Camera, site: Site, settings: Settings, source: str | None, seconds: float, number: int
) -> list[EncodedFrame]:
    from pipeline.cli.footage import of_live, of_recording

    faces = site.models.faces
    if source is not None:
        shown = of_recording(camera, source, faces, number, settings.ingest)
    else:
        shown = of_live(camera, faces, number, seconds, settings.ingest)
    return [frame for frame, _ in shown][:number]


def _described(site: Site, settings: Settings, frames: list[EncodedFrame], site_path: Path) -> SceneCard:
    from pipeline.clock import SystemClock
    from pipeline.reasoning.model import load_model
    from pipeline.reasoning.scene_card import describe_scene

    key = site.models.vlm_api_key
    model = load_model(site.models.vlm, settings.reasoning, api_key=key.get_secret_value() if key else None)
    if model is None:
        raise ConfigError(
            f"{site_path} has no models.vlm to describe pictures with; set one, or write the card by hand"
        )
    try:
        model.warm_up()
        return describe_scene(model, frames, site.site.language, settings.reasoning, SystemClock())
    finally:
        model.close()


def _entry(camera_id: str, card: SceneCard) -> str:
    body = {"id": camera_id, "scene": card.model_dump(mode="json")}
    text = yaml.safe_dump([body], allow_unicode=True, sort_keys=False, width=110)
    return f"# Written by a model: read it, and mend it. Into the camera's entry of the site file:\ncameras:\n{text}"
