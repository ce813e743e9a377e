"""Settings and site to the processes of a cluster: the services, the models behind calls, and the applications of
Ray Serve that host them.

`watcher_service`, `reasoner_service` and `alerting_service` need no Ray. The functions named like the applications
(`watchers`, `encoder`, …) are what Serve imports and calls with `{"site": PATH}`; what they bind is built in the
replicas, each of which reads the site file and its environment by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from pipeline.alerting.policy import DeliveryPolicy, rules_and_channels
from pipeline.alerting.webhook import WebhookSender
from pipeline.app.cameras import may_fail
from pipeline.app.serve_config import (
    ALERTING,
    ENCODER,
    OWN_VLM_CALLS,
    REASONERS,
    VLM,
    WATCHERS,
    has_own_vlm,
    needs_encoder,
)
from pipeline.app.stores import Stores, open_stores
from pipeline.clock import Clock, SystemClock
from pipeline.console.signing import alert_links
from pipeline.contracts.assessment import VisionLanguageModel
from pipeline.contracts.bus import RecordHandler, Topic
from pipeline.contracts.observation import Vision
from pipeline.errors import ConfigError
from pipeline.events.horizon import rewind_seconds
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.perception.detector import load_detector
from pipeline.perception.encoder import load_encoder
from pipeline.perception.vision import LocalVision
from pipeline.reasoning.budget import make_admission, most_workers
from pipeline.reasoning.model import load_judge, load_model
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.runtime.alerting import AlertingService
from pipeline.runtime.embeddings import EmbeddingWriter
from pipeline.runtime.reasoner import ReasonerService
from pipeline.runtime.service import Service, unique_name
from pipeline.runtime.serving.sizing import call_limits, check_message_limit
from pipeline.runtime.watcher.service import WatcherParts, WatcherService
from pipeline.settings import Replicas, Settings, load_settings
from pipeline.site import NO_MODEL, Site, load_site
from pipeline.store.ledger import Ledger
from pipeline.store.vectors import is_installed
from pipeline.telemetry import Metrics, configure_logging
from pipeline.tracing import open_tracing
from pipeline.transport.consume import TopicConsumer
from pipeline.transport.dead_letter import DeadLetters
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.tail import read_since

log = structlog.get_logger()
Arguments = Mapping[str, str]


def watcher_service(site: Site, settings: Settings, metrics: Metrics, vision: Vision) -> WatcherService:
    """Frames to candidates. `TransientError` when the database is away."""
    clock = SystemClock()
    bus = KafkaBus(settings.bus, f"watcher-{unique_name()}")
    tracing = open_tracing(settings.tracing, clock, "watcher")
    stores = open_stores(settings, tracing=tracing)
    publisher = bus.publisher()
    back_seconds = _rewind(site, settings)

    def open_consumer(handler: RecordHandler) -> TopicConsumer:
        return TopicConsumer(
            bus, [Topic.FRAMES], WATCHERS, handler, settings.bus, rewind_seconds=back_seconds, clock=clock
        )

    parts = WatcherParts(
        site=site,
        settings=settings,
        vision=vision,
        has_reasoner=site.models.vlm != NO_MODEL,
        open_consumer=open_consumer,
        read_candidates=partial(read_since, bus, Topic.CANDIDATES),
        publisher=publisher,
        dead_letters=DeadLetters(publisher, max_message_bytes=settings.bus.max_message_bytes),
        incidents=stores.incidents,
        evidence=stores.evidence,
        ledger=Ledger(stores.decisions),
        coverage=stores.coverage,
        learned=stores.learned,
        forecasts=stores.forecasts,
        retention=stores.retention,
        looks=moments_writer(site, settings, stores, vision, metrics, clock),
        on_close=(publisher.close, vision.close, stores.close, tracing.close),
        tracing=tracing,
    )
    return WatcherService(parts, metrics, clock)


def moments_writer(
    site: Site, settings: Settings, stores: Stores, vision: Vision, metrics: Metrics, clock: Clock
) -> EmbeddingWriter | None:
    """What keeps moments for search, where there is an encoder and a place that all watchers share."""
    if site.models.encoder == NO_MODEL or not settings.search.enabled or not is_installed():
        return None
    if settings.database_url and not settings.search.url:  # a database on a server: not all is on one machine
        log.info("moments are not kept for search: set search.url to a place that watchers and console reach")
        return None
    return EmbeddingWriter(stores.vectors, lambda: vision.model_ids.get("encoder", ""), site, metrics, clock)


def reasoner_service(
    site: Site, settings: Settings, metrics: Metrics, model: VisionLanguageModel | None
) -> ReasonerService:
    """Candidates to incidents and verdicts; without a model they stay unverified."""
    clock = SystemClock()
    tracing = open_tracing(settings.tracing, clock, "reasoner")
    stores = open_stores(settings, tracing=tracing)
    policy = DeliveryPolicy(*rules_and_channels(site))
    reasoner = VlmReasoner(model, settings.reasoning, clock) if model is not None else None
    if reasoner is not None:
        metrics.breaker_state.set_function(lambda: reasoner.breaker.state)
    return ReasonerService(
        KafkaBus(settings.bus, f"reasoner-{unique_name()}"),
        site,
        stores.incidents,
        IncidentRecorder(stores.incidents, policy, clock),
        stores.evidence,
        reasoner,
        Ledger(stores.decisions),
        coverage=stores.coverage,
        forecasts=stores.forecasts,
        live_cameras=[camera.id for camera in site.cameras if may_fail(camera)],
        workers=most_workers(site.models.vlm, settings.reasoning),
        metrics=metrics,
        clock=clock,
        linking=settings.linking,
        admission=make_admission(site.models.vlm, settings.reasoning, clock),
        on_close=(stores.close, tracing.close),
        tracing=tracing,
    )


def alerting_service(site: Site, settings: Settings, metrics: Metrics) -> AlertingService:
    """What is owed to receivers, sent."""
    clock = SystemClock()
    tracing = open_tracing(settings.tracing, clock, "alerting")
    stores = open_stores(settings, tracing=tracing)
    return AlertingService(
        KafkaBus(settings.bus, f"alerting-{unique_name()}"),
        stores.outbox,
        WebhookSender(
            site.site.name,
            site.site.timezone,
            tracing=tracing,
            links=alert_links(settings.access, stores.database, clock),
        ).send,
        site.channels,
        settings.alerting,
        Ledger(stores.decisions),
        metrics=metrics,
        clock=clock,
        on_close=(stores.close, tracing.close),
        tracing=tracing,
    )


def local_vision(site: Site, settings: Settings) -> LocalVision:
    """The models that see, in this process, for batches of `cluster.batch_frames`; not yet warm."""
    perception = settings.perception.model_copy(update={"batch_size": settings.cluster.batch_frames})
    detector = load_detector(site.models.detector, perception)
    return LocalVision(detector, load_encoder(site.models.encoder, perception), perception)


def local_vlm(site: Site, settings: Settings) -> VisionLanguageModel | None:
    """The vision-language model, in this process or behind a server of its own, without a stronger one above it; not
    yet warm."""
    key = site.models.vlm_api_key
    return load_model(site.models.vlm, settings.reasoning, api_key=key.get_secret_value() if key else None)


def _rewind(site: Site, settings: Settings) -> float:
    """How far a watcher looks back on a camera it takes over, seconds."""
    cameras = ((camera, site.rules_for(camera)) for camera in site.cameras)
    needed_seconds = rewind_seconds(cameras, settings.events, settings.perception)
    if needed_seconds > settings.bus.rewind_to:
        log.warning(
            "a camera that changes hands may open an incident late: its rules look further back than bus.rewind_to",
            needed_seconds=needed_seconds,
            rewind_to=settings.bus.rewind_to,
        )
    return min(needed_seconds, settings.bus.rewind_to)


# ------------------------------------------------------------------------------- what Ray Serve imports


def watchers(arguments: Arguments) -> Any:
    """The application `watchers`."""
    return _hosted(WATCHERS, arguments, _build_watcher)


def reasoners(arguments: Arguments) -> Any:
    """The application `reasoners`."""
    return _hosted(REASONERS, arguments, _build_reasoner)


def alerting(arguments: Arguments) -> Any:
    """The application `alerting`."""
    return _hosted(ALERTING, arguments, _build_alerting)


def encoder(arguments: Arguments) -> Any:
    """The application `encoder`."""
    from ray import serve

    from pipeline.runtime.serving.applications import EncoderHost

    site_path = _site_path(arguments)
    settings = _read(site_path)[1]
    limits = call_limits(settings.cluster, settings.bus)
    build = partial(_build_vision, site_path)
    return serve.deployment(EncoderHost, name=ENCODER).bind(build, limits, settings.cluster.batch_wait)


def vlm(arguments: Arguments) -> Any:
    """The application `vlm`."""
    from ray import serve

    from pipeline.runtime.serving.applications import VlmHost

    build = partial(_build_vlm, _site_path(arguments))
    return serve.deployment(VlmHost, name=VLM).bind(build, OWN_VLM_CALLS)


def _hosted(name: str, arguments: Arguments, build: Any) -> Any:
    from ray import serve

    from pipeline.runtime.serving.applications import ServiceHost

    site_path = _site_path(arguments)
    settings = _read(site_path)[1]
    replicas: Replicas = getattr(settings.cluster, name)
    host = serve.deployment(ServiceHost, name=name)
    return host.bind(name, partial(build, site_path), replicas.num_cpus, settings.drain_for)


def _site_path(arguments: Arguments) -> str:
    if set(arguments) != {"site"}:
        raise ConfigError(f"expected args: {{site: PATH}} for an application, got {', '.join(arguments) or 'nothing'}")
    return arguments["site"]


def _read(site_path: str) -> tuple[Site, Settings]:
    site = load_site(Path(site_path))
    return site, load_settings(site.settings)


def _begin(site_path: str) -> tuple[Site, Settings]:
    """First thing in a replica: what it is to do, logs without secrets, messages long enough."""
    site, settings = _read(site_path)
    configure_logging(settings.log_level, settings.log_format, site.secrets())
    check_message_limit(call_limits(settings.cluster, settings.bus), os.environ)
    return site, settings


def _build_watcher(site_path: str, metrics: Metrics) -> Service:
    site, settings = _begin(site_path)
    return watcher_service(site, settings, metrics, _vision_of_watcher(site, settings))


def _vision_of_watcher(site: Site, settings: Settings) -> Vision:
    if not needs_encoder(site.models):
        return local_vision(site, settings)
    from pipeline.runtime.serving.served import ServedVision

    # A call that takes as long as a poll loop may be silent would have the watcher restarted for it.
    limits = call_limits(settings.cluster, settings.bus)
    return ServedVision(limits, timeout_seconds=settings.bus.poll_stale_after / 2)


def _build_reasoner(site_path: str, metrics: Metrics) -> Service:
    site, settings = _begin(site_path)
    model = local_vlm(site, settings)
    if model is not None and has_own_vlm(site.models):
        from pipeline.runtime.serving.served import ServedVlm

        # Where none may be running, the first call waits for one to start, as long as a verdict is worth it.
        scales_to_zero = settings.cluster.vlm.min == 0
        model = ServedVlm(model.model_id, settings.reasoning.deadline if scales_to_zero else settings.reasoning.timeout)
    return reasoner_service(site, settings, metrics, load_judge(site.models, settings.reasoning, small=model))


def _build_alerting(site_path: str, metrics: Metrics) -> Service:
    return alerting_service(*_begin(site_path), metrics)


def _build_vision(site_path: str) -> Vision:
    site, settings = _begin(site_path)
    perception = settings.perception.model_copy(update={"batch_size": settings.cluster.batch_frames})
    return local_vision(site, settings.model_copy(update={"perception": perception}))


def _build_vlm(site_path: str) -> VisionLanguageModel:
    model = local_vlm(*_begin(site_path))
    if model is None:
        raise ConfigError("models.vlm is none: there is nothing for the application vlm to run")
    return model
