"""Stores and site to what questions are answered from, and the model that answers them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from pipeline.app.lazy import Lazy
from pipeline.app.stores import Stores
from pipeline.clock import Clock
from pipeline.console.host import Why
from pipeline.contracts.chat import ChatModel
from pipeline.contracts.observation import Encoder
from pipeline.errors import ConfigError
from pipeline.perception.encoder import load_encoder
from pipeline.reasoning.chat_model import load_chat_model
from pipeline.search.archive import Accounts, Archive
from pipeline.search.query import MomentSearch
from pipeline.settings import Settings
from pipeline.site import NO_MODEL, Site


@dataclass(frozen=True, slots=True)
class Telling:
    """How times are read, and what the coverage and the ledger say put into words: the commands' own ways."""

    zone: tzinfo
    read_time: Callable[[str], datetime]
    accounts: Accounts
    why: Why


def site_encoder(site: Site | None, settings: Settings) -> Lazy[Encoder | None]:
    """The site's encoder, warm once a question needs it; None without one. `ConfigError` when it cannot be had."""

    def load() -> Encoder | None:
        encoder = load_encoder(site.models.encoder, settings.perception) if site else None
        if encoder is not None:
            encoder.warm_up()
        return encoder

    return Lazy(load)


def make_archive(
    stores: Stores,
    site: Site | None,
    zone: tzinfo,
    clock: Clock,
    *,
    accounts: Accounts,
    read_time: Callable[[str], datetime],
    words: Callable[[], Encoder | None],
) -> Archive:
    """What the tools read. Without a site file the cameras are those that anybody ever told of."""
    cameras = {camera.id: camera.labels for camera in site.cameras} if site else {}
    cameras |= {name: () for name, _ in sorted(stores.coverage.known_since()) if name not in cameras}
    return Archive(
        site_name=site.site.name if site else "site",
        zone=zone,
        cameras=cameras,
        rules={rule.id: rule for rule in site.all_rules} if site else {},
        incidents=stores.incidents,
        evidence=stores.evidence,
        accounts=accounts,
        read_time=read_time,
        words=words,
        clock=clock,
        moments=MomentSearch(stores.vectors, words),
    )


def load_chat(site: Site | None, settings: Settings) -> ChatModel:
    """The site's stronger model, or its only one, ready to answer; `ConfigError` names `models.vlm` without any."""
    if site is None:
        raise ConfigError("questions need a model: name the site file with --site, and models.vlm in it")
    models = site.models
    has_strong = models.strong_vlm != NO_MODEL
    spec, key = (models.strong_vlm, models.strong_vlm_api_key) if has_strong else (models.vlm, models.vlm_api_key)
    return load_chat_model(spec, settings.reasoning, api_key=key.get_secret_value() if key else None)
