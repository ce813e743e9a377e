"""From the words of `watch` to a site in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.cli.one_source import OneSource, build_site, models_given
from pipeline.errors import ConfigError

GIVEN = OneSource(source="clips/Gate North.mp4", rules=(), zones={}, lines={}, models={})
SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]


def test_nothing_said_means_motion_anywhere() -> None:
    """Without a rule, whatever moves is told of."""
    (rule,) = build_site(GIVEN).rules
    assert (rule.id, rule.track.count_above if rule.track else None) == ("motion", 0)


def test_zones_alone_mean_motion_in_each() -> None:
    """Zones without a rule are watched for motion."""
    rules = build_site(replace(GIVEN, zones={"a": SQUARE, "b": SQUARE})).rules
    assert [rule.track.inside for rule in rules if rule.track] == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "camera_id", "is_recording"),
    [
        ("clips/Gate North.mp4", "Gate-North", True),
        ("synthetic:yard?seed=2", "yard", True),
        ("file:///clips/a.mp4", "camera", True),
        ("rtsp://user:pw@host/stream", "camera", False),
        ("usb:0", "camera", False),
        ("….mp4", "camera", True),
    ],
)
def test_the_camera_is_named_after_the_source(source: str, camera_id: str, is_recording: bool) -> None:
    """A file's stem or a scene's name; never a piece of an address, which may be secret."""
    given = replace(GIVEN, source=source)
    assert (given.camera_id, given.is_recording) == (camera_id, is_recording)
    assert build_site(given).cameras[0].id == camera_id


def test_every_event_of_a_file_counts() -> None:
    """The cooldown is off for files, a minute for cameras, and what was asked for when it was."""
    asked = [GIVEN, replace(GIVEN, source="usb:0"), replace(GIVEN, cooldown_seconds=5.0)]
    assert [build_site(given).rules[0].cooldown for given in asked] == [0.0, 60.0, 5.0]


def test_models_rate_and_webhook_are_handed_on() -> None:
    """What was named reaches the site; an unnamed model keeps its default."""
    models = models_given("onnx:yolox.onnx", None, None)
    site = build_site(replace(GIVEN, models=models, active_fps=2.0, webhook="http://127.0.0.1:9/h", secret="s" * 8))
    assert (site.models.detector, site.models.encoder) == ("onnx:yolox.onnx", "none")
    assert site.cameras[0].sampling.active_fps == 2.0
    channel = site.channels["webhook"]
    assert channel.allow_private
    assert channel.secret is not None


REFUSED = [
    ({"rules": ("person enters door",)}, "--rule 'person enters door': the motion detector cannot tell a person"),
    ({"rules": ("person enters door",)}, "say `anything`, or give --detector: builtin, onnx:PATH"),
    ({"rules": ("anything enters dor",), "zones": {"door": SQUARE}}, "did you mean door?"),
    ({"rules": ('"a person climbs"',)}, "needs an encoder"),
    ({"rules": ('"a person climbs"',)}, "give --encoder: a CLIP or SigLIP model"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_work_is_refused_in_the_command_lines_words(change: dict[str, object], message: str) -> None:
    """The site file's checks hold here too, and speak of options instead of keys and lines."""
    with pytest.raises(ConfigError) as refused:
        build_site(replace(GIVEN, **change))  # type: ignore[arg-type]
    assert message in str(refused.value)
    assert "rules[" not in str(refused.value)
    assert "line " not in str(refused.value)
