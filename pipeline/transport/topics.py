"""The four topics: how each is made, and what can be wrong with those that are there."""

from __future__ import annotations

from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import NoError, TopicAlreadyExistsError, for_code

from pipeline.contracts.bus import Topic
from pipeline.settings import BusSettings

_DAY_MS = 86_400_000
_MIN_SEGMENT_BYTES = 16_777_216
_SHARED_WORK = (Topic.FRAMES, Topic.CANDIDATES)
"""The topics whose partitions are shared out among replicas."""


def topic_name(prefix: str, topic: Topic) -> str:
    """As the broker knows it."""
    return f"{prefix}.{topic.value}"


def create_missing(admin: KafkaAdminClient, settings: BusSettings) -> None:
    """Create what is not there; that another process was quicker is no error."""
    wanted = _layout(settings)
    described = _described(admin, list(wanted))
    missing = {name: layout for name, layout in wanted.items() if name not in described}
    if not missing:
        return
    answer = admin.create_topics(missing, raise_errors=False)
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        if error not in (NoError, TopicAlreadyExistsError):
            raise error(f"creating {topic['name']}: {topic['error_message'] or error.__name__}")
    admin.wait_for_topics(list(missing))


def problems_of_topics(admin: KafkaAdminClient, settings: BusSettings, min_partitions: int) -> list[str]:
    """What is wrong with the topics, in plain words."""
    described = _described(admin, list(_layout(settings)))
    problems = []
    for topic in Topic:
        name = topic_name(settings.prefix, topic)
        if name not in described:
            problems.append(f"the topic {name} is missing: it is made by the first ingest or cluster that starts")
            continue
        if topic in _SHARED_WORK and len(described[name]["partitions"]) < min_partitions:
            problems.append(_too_few_partitions(name, len(described[name]["partitions"]), min_partitions))
    return problems + _too_small(admin, settings, list(described))


def _layout(settings: BusSettings) -> dict[str, dict[str, Any]]:
    frames = {
        "cleanup.policy": "delete",
        "retention.bytes": str(settings.frames_retention_bytes),
        "segment.bytes": str(_segment_bytes(settings)),
        "compression.type": "producer",
    }
    week = {"cleanup.policy": "delete", "retention.ms": str(7 * _DAY_MS)}
    month = {"cleanup.policy": "delete", "retention.ms": str(30 * _DAY_MS)}
    compact = {"cleanup.policy": "compact"}
    return {
        topic_name(settings.prefix, topic): {
            "num_partitions": num_partitions,
            "replication_factor": settings.replication,
            "configs": configs | {"max.message.bytes": str(settings.max_message_bytes)},
        }
        for topic, num_partitions, configs in (
            (Topic.FRAMES, settings.partitions, frames),
            (Topic.CANDIDATES, settings.partitions, week),
            (Topic.INCIDENTS, 1, compact),
            (Topic.DEAD_LETTERS, 1, month),
        )
    }


def _segment_bytes(settings: BusSettings) -> int:
    """Retention drops whole segments, so they must be small beside it; and a segment holds any record."""
    return max(settings.frames_retention_bytes // 8, _MIN_SEGMENT_BYTES, settings.max_message_bytes)


def _described(admin: KafkaAdminClient, names: list[str]) -> dict[str, Any]:
    return {topic["name"]: topic for topic in admin.describe_topics(names) if topic["error_code"] == 0}


def _too_few_partitions(name: str, num_partitions: int, wanted: int) -> str:
    return (
        f"{name} has {num_partitions} partitions: of {wanted} watchers {wanted - num_partitions} would have nothing "
        f"to do. Make more (kafka-topics.sh --alter --topic {name} --partitions {wanted}) while nothing runs, since "
        "cameras move between partitions then, or lower cluster.watchers.max"
    )


def _too_small(admin: KafkaAdminClient, settings: BusSettings, names: list[str]) -> list[str]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = admin.describe_configs(resources, config_filter="all").get("topic", {}) if names else {}
    problems = []
    for name in names:
        config = configs.get(name, {}).get("max.message.bytes")
        if config and int(config["value"]) < settings.max_message_bytes:
            problems.append(
                f"{name} takes records of {config['value']} bytes at most, bus.max_message_bytes is "
                f"{settings.max_message_bytes}: raise max.message.bytes of the topic, or lower the setting"
            )
    return problems
