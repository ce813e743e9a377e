"""How the program behaves, apart from what the site looks like.

Precedence: command line > environment (`SIGHTLINE_…`, `__` between section and key) > the `settings:` key
of the site file > the defaults here. A stage gets its own section, never the tree. Validation touches
neither network nor files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from pipeline.contracts.values import Seconds
from pipeline.errors import ConfigError

_KAFKA_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
"""The name most Kafka tools read."""
_OTLP_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""OpenTelemetry's own (https://opentelemetry.io/docs/specs/otel/protocol/exporter/)."""
_HTTP_ADDRESS = re.compile(r"https?://[^\s/@]+(/\S*)?")
_PUBLIC_URL = re.compile(r"https?://[^\s/@?#]+/?")
_OIDC_ISSUER = re.compile(r"(https://|http://(localhost|127\.0\.0\.1)[:/])[^\s@?#]+")


class Section(BaseModel):
    """Base of a section: frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class IngestSettings(Section):
    """Reading cameras."""

    connect_timeout: Seconds = Field(10.0, description="Give up opening a live source after this long.")
    read_timeout: Seconds = Field(10.0, description="A live source silent for this long is reopened.")
    retry_from: Seconds = Field(1.0, description="First wait before reopening a live source.")
    retry_to: Seconds = Field(30.0, description="Longest wait before reopening; retries never end.")
    hardware_decode: Literal["auto", "off", "cuda", "qsv", "vaapi", "drm", "amf"] = Field(
        "off", description="Decode live streams on the GPU; `auto` takes what is there, else the processor."
    )
    fallback_for: Seconds = Field(
        300.0, description="How long a camera is read from its fallback before `url` is tried."
    )
    clock_tolerance: Seconds = Field(
        5.0, description="A camera's own clock is used while it is at most this far from this machine's."
    )
    reload: bool = Field(True, description="Follow changes of the site file while running; SIGHUP always does.")
    max_pixels: Annotated[int, Field(ge=1)] = Field(
        7680 * 4320, description="A source with larger frames is refused, in so many words."
    )
    max_side_px: Annotated[int, Field(ge=64)] = Field(
        1920, description="Wider or taller frames are scaled down to this before anything else sees them."
    )
    keep_for: Seconds = Field(
        30.0, description="While the bus is away, a live camera's frames of so long are kept; older ones are dropped."
    )
    keep_bytes: Annotated[int, Field(ge=1_000_000)] = Field(
        16_000_000, description="Most that one camera keeps waiting for the bus."
    )


class SamplingSettings(Section):
    """The gate and the ring; rates are per camera, in the site file."""

    sensitivity: Annotated[float, Field(gt=0, le=4)] = Field(
        1.0, description="Above 1 sees fainter motion, below 1 only stronger."
    )
    min_area: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.0005, description="Smallest moving region that counts, share of the picture."
    )
    ring_for: Seconds = Field(45.0, description="How far a candidate can look back.")
    ring_fps: Annotated[float, Field(gt=0, le=30)] = Field(5.0, description="Frames a second kept in the ring.")
    ring_max_bytes: Annotated[int, Field(ge=1_000_000)] = Field(32_000_000, description="Memory of one camera's ring.")
    jpeg_quality: Annotated[int, Field(ge=30, le=100)] = Field(85, description="Of ring and evidence pictures.")


class PerceptionSettings(Section):
    """Detection, tracking, encoding."""

    batch_size: Annotated[int, Field(ge=1, le=256)] = Field(8, description="Frames of all cameras in one call.")
    detector_confidence: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="Detections under this are dropped; the tracker uses weak ones to keep tracks."
    )
    detector_iou: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="Overlap at which two are one.")
    track_start: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="Confidence that starts a track.")
    track_memory: Seconds = Field(2.0, description="How long a lost track may come back.")
    device: str = Field("auto", description="`auto`, `cpu` or `cuda:0`, for torch models.")
    threads: Annotated[int, Field(ge=0, le=256)] = Field(0, description="CPU threads of the models; 0 is all.")


class EventSettings(Section):
    """Constants shared by all rules; the rest is in each rule's `timing`."""

    max_key_frames: Annotated[int, Field(ge=1, le=16)] = Field(8, description="Pictures kept with a candidate.")
    track_memory: Seconds = Field(3.0, description="How long an unseen track keeps its history.")
    max_gap: Seconds = Field(
        10.0, description="Silence between two frames of a camera after which its rules start afresh."
    )
    alerts_per_day: Annotated[float, Field(gt=0, le=10_000)] = Field(
        1.0, description="False alarms a day that a scored rule may give on one camera; a rule can say otherwise."
    )
    calibrate_after: Seconds = Field(
        6 * 3600.0, description="Watched time after which a camera's own threshold replaces the fixed one."
    )
    learn_normal: bool = Field(True, description="Learn what each camera normally sees, where there is an encoder.")
    normal_after: Seconds = Field(
        24 * 3600.0, description="Watched time before `unusual` rules tell anything, and before a novelty is reckoned."
    )


class ReasoningSettings(Section):
    """Asking the vision-language model."""

    timeout: Seconds = Field(30.0, description="For one request to a model server.")
    attempts: Annotated[int, Field(ge=1, le=10)] = Field(3, description="Tries before `unverified`.")
    deadline: Seconds = Field(120.0, description="From owed to told; who cannot make it is `unverified` at once.")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(2, description="Verifications at the same time.")
    confirm_above: Annotated[float, Field(ge=0.5, lt=1)] = Field(0.6, description="P(yes) that confirms.")
    reject_below: Annotated[float, Field(gt=0, le=0.5)] = Field(0.4, description="P(yes) that rejects.")
    escalate_margin: Annotated[float, Field(ge=0, le=0.4)] = Field(
        0.15, description="With `strong_vlm`: how much wider than the abstain band it is asked at severity high."
    )
    max_frames: Annotated[int, Field(ge=1, le=16)] = Field(8, description="Pictures in one prompt.")
    max_side_px: Annotated[int, Field(ge=64, le=4096)] = Field(768, description="Longest side of a sent picture.")
    context_tokens: Annotated[int, Field(ge=0, le=20_000)] = Field(
        800, description="Bound of scene card, policy and precedents in a prompt; 0 tells none of them."
    )
    alike_below: Annotated[float, Field(ge=0, le=50)] = Field(
        4.0,
        description="Grey levels by which some part of a picture must differ from the last one sent, or words stand "
        "for it; 0 sends all.",
    )
    max_report_tokens: Annotated[int, Field(ge=64, le=8192)] = Field(1000, description="Bound of a report.")
    second_looks: Annotated[int, Field(ge=0, le=8)] = Field(
        0, description="Crops of a report put to the model as yes/no questions, for things no detector has seen."
    )
    breaker_after: Annotated[int, Field(ge=1)] = Field(5, description="Failures in a row that open the breaker.")
    breaker_for: Seconds = Field(20.0, description="How long an open breaker spares the server.")
    budget: bool = Field(True, description="When models are behind: fewer pictures, no report, `unverified` at once.")
    server_workers: Annotated[int, Field(ge=1, le=256)] = Field(
        16, description="Verifications at the same time with an `openai:` server, at most; measured up from `workers`."
    )
    price_input: Annotated[float, Field(ge=0)] = Field(0.0, description="Of a million tokens read; 0 keeps no cost.")
    price_output: Annotated[float, Field(ge=0)] = Field(0.0, description="Of a million tokens written.")


class AlertingSettings(Section):
    """Telling the outside."""

    give_up_after: Seconds = Field(86_400.0, description="A delivery older than this becomes a dead letter.")
    retry_from: Seconds = Field(1.0, description="First wait after a failed attempt; doubles, with jitter.")
    retry_to: Seconds = Field(600.0, description="Longest wait between attempts.")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(4, description="Deliveries at the same time.")


class LinkingSettings(Section):
    """Which incidents of different cameras are shown as one happening."""

    within: Seconds = Field(120.0, description="From the end of one to the start of the other; 0 links none.")
    min_likeness: Annotated[float, Field(ge=0, le=1)] = Field(
        0.95,
        description="Of what they look like, 0 to 1; `benchmarks/appearance.py` says what that finds and mistakes.",
    )


class EvidenceSettings(Section):
    """Pictures and clips."""

    url: str = Field("", description="An fsspec URL; empty for the folder `evidence` in the data folder.")
    before: Seconds = Field(5.0, description="Seconds of the clip before the event.")
    after: Seconds = Field(5.0, description="Seconds of the clip after the opening.")
    fps: Annotated[float, Field(gt=0, le=30)] = Field(5.0, description="Frames a second of the clip.")


class RetentionSettings(Section):
    """How long what is kept is kept; 0 is for ever. Frames on the bus go by `bus.frames_retention_bytes`."""

    evidence: Seconds = Field(30 * 86_400.0, description="Pictures and clips of an incident, from its end.")
    incidents: Seconds = Field(365 * 86_400.0, description="Incidents with their texts and deliveries, from their end.")
    decisions: Seconds = Field(90 * 86_400.0, description="The ledger behind `why`.")
    coverage: Seconds = Field(366 * 86_400.0, description="When which camera was watched.")
    audit: Seconds = Field(366 * 86_400.0, description="Who looked at which evidence and who changed what.")
    every: Seconds = Field(3600.0, description="How often a running process clears away what is too old.")


class BusSettings(Section):
    """The Kafka broker between the processes of a cluster."""

    servers: str = Field("", description="host:port, several with commas; else KAFKA_BOOTSTRAP_SERVERS.")
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")] = Field(
        "sightline", description="Of topics and consumer groups: several sites can share a broker."
    )
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="How the broker is reached."
    )
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="With `sasl_…`: how the password is proven."
    )
    username: str = Field("", description="With `sasl_…`.")
    password: SecretStr = Field(SecretStr(""), description="With `sasl_…`; from the environment only.")
    ca_file: str = Field("", description="With `ssl`: certificate authority, PEM; empty for the system's.")
    cert_file: str = Field("", description="With `ssl`: this client's certificate, PEM.")
    key_file: str = Field("", description="With `ssl`: its key, PEM.")
    partitions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        12, description="Of frames and candidates when they are created: the most watchers that can share the work."
    )
    replication: Annotated[int, Field(ge=-1, le=15)] = Field(-1, description="Copies of a topic; -1 is the broker's.")
    frames_retention_bytes: Annotated[int, Field(ge=1_000_000)] = Field(
        2_000_000_000, description="Kept of frames, a partition."
    )
    max_message_bytes: Annotated[int, Field(ge=100_000, le=100_000_000)] = Field(
        4_194_304, description="Largest record; a frame beyond it is refused by name."
    )
    session_timeout: Seconds = Field(10.0, description="A consumer silent for this long loses its partitions.")
    poll_stale_after: Seconds = Field(30.0, description="A consumer that has not polled for this long is unhealthy.")
    in_flight: Annotated[int, Field(ge=1, le=10_000)] = Field(
        64, description="Records of a partition in hand before it is paused."
    )
    rewind_to: Seconds = Field(120.0, description="Furthest look back to rebuild the state of a camera taken over.")
    late_after: Seconds = Field(
        5.0, description="Frames older than this on the bus, and getting no younger, are sampled more thinly."
    )
    fresh_for: Seconds = Field(300.0, description="Frames older than this on the bus are dropped, counted and told.")


class Replicas(Section):
    """Bounds of one stage's autoscaling."""

    min: Annotated[int, Field(ge=0, le=1000)] = Field(1, description="At least so many.")
    max: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="At most so many.")
    num_cpus: Annotated[float, Field(ge=0, le=256)] = Field(1.0, description="CPUs Ray reserves for one.")
    num_gpus: Annotated[float, Field(ge=0, le=16)] = Field(0.0, description="GPUs Ray reserves for one.")

    @model_validator(mode="after")
    def _in_order(self) -> Replicas:
        if self.min > self.max:
            raise ValueError(f"expected min to be at most max, got min {self.min} and max {self.max}")
        return self


class ClusterSettings(Section):
    """The stages of a cluster: Ray Serve applications."""

    batch_frames: Annotated[int, Field(ge=1, le=512)] = Field(
        32, description="Frames in one batch of the encoder; calls, queues and message sizes follow from it."
    )
    batch_wait: Seconds = Field(
        0.02, description="Longest wait for a batch to fill; a call of few frames costs as much as one of many."
    )
    oldest_frame_limit: Seconds = Field(2.0, description="Age of the oldest frame that asks for more replicas.")
    scale_up_after: Seconds = Field(10.0, description="How long a need must last before replicas are added.")
    scale_down_after: Seconds = Field(300.0, description="How long a surplus must last before they are taken away.")
    watchers: Replicas = Replicas(max=8)
    encoder: Replicas = Replicas(max=8)
    reasoners: Replicas = Replicas(max=4)
    vlm: Replicas = Replicas(min=1, max=4)
    alerting: Replicas = Replicas(max=2)


class SearchSettings(Section):
    """What moments looked like, kept to be found by words, pictures or parts of one."""

    enabled: bool = Field(
        True, description="Keep it, one moment a camera and second, where there is an encoder and LanceDB (`[search]`)."
    )
    url: str = Field("", description="A URL (`s3://…`) or folder; empty for `vectors` in the data folder.")
    keep_for: Seconds = Field(
        7 * 86_400.0, description="How long; 0 is for ever. A camera that is never still fills 0.2 GB a day, at most."
    )


class OidcSettings(Section):
    """Sign-in by an identity provider (OpenID Connect), beside passwords."""

    issuer: str = Field(
        "", description="The provider's issuer, such as https://login.example.org/realms/site; empty is off."
    )
    client_id: str = Field("", description="What the provider calls this console.")
    client_secret: SecretStr = Field(
        SecretStr(""), description="Its secret there, as ${NAME} or from the environment; empty for none."
    )
    scopes: tuple[str, ...] = Field(("openid", "profile", "email"), description="What is asked for.")
    title: str = Field("Single sign-on", max_length=60, description="What the sign-in page calls it.")
    name_claim: str = Field("email", description="The claim that an account is named after.")
    roles_claim: str = Field("groups", description="The claim whose values give roles.")
    roles: dict[Annotated[str, Field(min_length=1, max_length=200)], tuple[str, ...]] = Field(
        {}, description="A value of that claim: roles it gives, `viewer` for every camera or GROUP=ROLE for some."
    )

    @field_validator("issuer")
    @classmethod
    def _is_secure(cls, issuer: str) -> str:
        if issuer and not _OIDC_ISSUER.fullmatch(issuer):
            raise ValueError("expected an https:// address as the provider tells it, without ? and #")
        return issuer


class AccessSettings(Section):
    """Sessions and links of the console and the API."""

    public_url: str = Field(
        "", description="Where browsers find the console, such as https://sightline.example.org; for links in messages."
    )
    idle: Seconds = Field(8 * 3600.0, gt=0, description="A session unused for this long is over.")
    session: Seconds = Field(7 * 86_400.0, gt=0, description="Longest life of a session, used or not.")
    first_link: Seconds = Field(3600.0, gt=0, description="How long the link that makes the first account works.")
    evidence_link: Seconds = Field(
        900.0, gt=0, description="How long a signed link to a picture or clip in an answer works."
    )
    alert_link: Seconds = Field(
        86_400.0, gt=0, description="How long a signed link to a picture or clip in a message to a channel works."
    )
    oidc: OidcSettings = OidcSettings()

    @field_validator("public_url")
    @classmethod
    def _has_no_path(cls, public_url: str) -> str:
        if public_url and not _PUBLIC_URL.fullmatch(public_url):
            raise ValueError("expected an address without a path, such as https://sightline.example.org")
        return public_url.rstrip("/")

    @model_validator(mode="after")
    def _knows_the_way_back(self) -> AccessSettings:
        if self.oidc.issuer and not (self.public_url and self.oidc.client_id and self.oidc.roles):
            raise ValueError("oidc.issuer needs oidc.client_id, oidc.roles, and public_url: where people are sent back")
        return self


class ConsoleSettings(Section):
    """The console and its API, where `sightline run` and `sightline api` serve them."""

    enabled: bool | Literal["auto"] = Field(
        "auto", description="Serve them from `sightline run`; `auto` goes on without, should they not be to be had."
    )
    address: Annotated[str, Field(min_length=1, max_length=253)] = Field("127.0.0.1", description="Where to listen.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8484, description="Where to listen; 0 is any that is free.")
    allow_remote: bool = Field(
        False, description="Let `address` be more than loopback; put HTTPS before it then: browsers insist."
    )

    @property
    def is_asked_for(self) -> bool:
        """Somebody has said so, in any words: then a run that cannot serve it does not start."""
        return self.enabled is not False and self != ConsoleSettings()


class TracingSettings(Section):
    """Traces by OpenTelemetry."""

    endpoint: str = Field(
        "", description="A collector's address for OTLP over HTTP, such as http://collector:4318; empty is off."
    )
    sample: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="Share of frames with a trace of their own; incidents always have one."
    )

    @field_validator("endpoint")
    @classmethod
    def _is_for_http(cls, endpoint: str) -> str:
        if endpoint and not _HTTP_ADDRESS.fullmatch(endpoint):
            raise ValueError(
                "expected an address for OTLP over HTTP, such as http://collector:4318; "
                "credentials go into OTEL_EXPORTER_OTLP_HEADERS"
            )
        return endpoint


class Settings(BaseSettings):
    """The tree. Read it with `load_settings`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="SIGHTLINE_", env_nested_delimiter="__", validate_default=True
    )

    data_dir: Path = Field(Path("sightline-data"), description="Database, evidence and lock.")
    database_url: str = Field("", description="SQLAlchemy URL; empty for SQLite in the data folder.")
    metrics_host: str = Field("127.0.0.1", description="Address of the metrics port.")
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(0, description="Prometheus metrics; 0 is off.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log shown.")
    log_format: Literal["text", "json"] = Field("text", description="For people or for machines.")
    drain_for: Seconds = Field(20.0, description="Longest wait for work in hand when asked to stop.")
    ingest: IngestSettings = IngestSettings()
    sampling: SamplingSettings = SamplingSettings()
    perception: PerceptionSettings = PerceptionSettings()
    events: EventSettings = EventSettings()
    reasoning: ReasoningSettings = ReasoningSettings()
    alerting: AlertingSettings = AlertingSettings()
    linking: LinkingSettings = LinkingSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    retention: RetentionSettings = RetentionSettings()
    bus: BusSettings = BusSettings()
    cluster: ClusterSettings = ClusterSettings()
    tracing: TracingSettings = TracingSettings()
    access: AccessSettings = AccessSettings()
    console: ConsoleSettings = ConsoleSettings()
    search: SearchSettings = SearchSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment beats what is handed in (the site file); see `load_settings` for the command line."""
        return env_settings, init_settings


class GivenSettings(Settings):
    """The tree from given values alone, whatever the environment says."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is handed in."""
        return (init_settings,)


def load_settings(from_file: Mapping[str, Any] | None = None, **from_command_line: Any) -> Settings:
    """Merge the layers; keys of the command line that are None do not count.

    `ValidationError` for a wrong value, `ConfigError` for a variable that is not even JSON where it must be.
    """
    try:
        settings = Settings(**(from_file or {}))
    except SettingsError as error:
        way_out = "expected JSON, or one variable a key, such as SIGHTLINE_ALERTING__WORKERS=4"
        raise ConfigError(f"{error}: {way_out}") from error
    given = {key: value for key, value in from_command_line.items() if value is not None}
    if not settings.bus.servers and (servers := os.environ.get(_KAFKA_VARIABLE)):
        given["bus"] = settings.bus.model_dump() | {"servers": servers}
    if not settings.tracing.endpoint and (endpoint := os.environ.get(_OTLP_VARIABLE)):
        given["tracing"] = settings.tracing.model_dump() | {"endpoint": endpoint}
    return GivenSettings(**settings.model_dump() | given)
