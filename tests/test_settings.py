from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from pipeline.errors import ConfigError
from pipeline.settings import GivenSettings, Settings, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SIGHTLINE_")]:
        monkeypatch.delenv(name)


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    yield "settings", Settings
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def test_the_defaults_hold_together() -> None:
    """Without a file, variables or options there are settings to run with."""
    settings = load_settings()
    assert settings.data_dir == Path("sightline-data")
    assert settings.alerting.give_up_after == 86_400


def test_the_environment_beats_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable changes one key of a section and leaves the file's others alone."""
    monkeypatch.setenv("SIGHTLINE_ALERTING__RETRY_TO", "5m")
    settings = load_settings({"alerting": {"workers": 2, "retry_to": 60}})
    assert (settings.alerting.retry_to, settings.alerting.workers) == (300.0, 2)


def test_the_command_line_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that was given wins; one that was not (None) does not count."""
    monkeypatch.setenv("SIGHTLINE_LOG_LEVEL", "error")
    monkeypatch.setenv("SIGHTLINE_METRICS_PORT", "9000")
    settings = load_settings({"log_level": "info"}, log_level="debug", metrics_port=None)
    assert (settings.log_level, settings.metrics_port) == ("debug", 9000)


@pytest.mark.parametrize(
    "options", [{"metrics_port": 99_999}, {"log_level": "loud"}, {"no_such_option": 1}], ids=lambda o: next(iter(o))
)
def test_the_command_line_is_checked_too(options: dict[str, Any]) -> None:
    """An option out of bounds is refused like a key of the file."""
    with pytest.raises(ValidationError):
        load_settings(None, **options)


def test_a_folder_given_as_text_becomes_a_path() -> None:
    """Whoever reads the settings gets the declared types."""
    assert load_settings(None, data_dir="elsewhere").data_dir == Path("elsewhere")


@pytest.mark.parametrize(
    "values",
    [
        {"alerting": {"worker": 3}},
        {"alerting": {"workers": 0}},
        {"reasoning": {"timeout": "soon"}},
        {"sampling": {"ring_for": -1}},
        {"events": {"max_gap": float("nan")}},
        {"metrics": True},
    ],
    ids=["misspelt", "too small", "no duration", "negative", "not a number", "no such section"],
)
def test_wrong_values_are_refused(values: dict[str, Any]) -> None:
    """Unknown keys and values out of bounds never pass."""
    with pytest.raises(ValidationError):
        load_settings(values)


def test_a_variable_that_is_no_json_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole section in one variable must be JSON, and the message names the easier way."""
    monkeypatch.setenv("SIGHTLINE_ALERTING", "workers=4")
    with pytest.raises(ConfigError, match="SIGHTLINE_ALERTING__WORKERS=4"):
        load_settings()


def test_given_settings_do_not_look_at_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site file is checked by itself, whatever variables are set."""
    monkeypatch.setenv("SIGHTLINE_LOG_LEVEL", "loud")
    assert GivenSettings().log_level == "info"


def test_settings_are_frozen() -> None:
    """Nobody changes settings under another's feet."""
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.alerting.workers = 9
    with pytest.raises(ValidationError):
        settings.log_level = "debug"


@pytest.mark.parametrize("section", [pytest.param(model, id=name) for name, model in sections()])
def test_every_setting_is_described(section: type[BaseModel]) -> None:
    """What an operator may set says in a line what it does."""
    for name, field in section.model_fields.items():
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        assert is_section or field.description, name


@pytest.mark.parametrize("section", [pytest.param(model, id=name) for name, model in sections()])
def test_every_section_is_closed(section: type[BaseModel]) -> None:
    """A misspelt key is an error everywhere."""
    assert section.model_config["extra"] == "forbid"
    assert section.model_config["frozen"] is True


OIDC = {"issuer": "https://login.example.org/realms/site", "client_id": "sightline", "roles": {"guards": ["viewer"]}}
HERE = "https://sightline.example.org"


def test_an_identity_provider_is_set_in_one_section() -> None:
    """With where people are sent back to; a last slash of that does not matter."""
    settings = load_settings({"access": {"public_url": f"{HERE}/", "oidc": OIDC}})
    assert settings.access.public_url == HERE
    assert settings.access.oidc.roles == {"guards": ("viewer",)}


def test_the_identity_providers_secret_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not shown."""
    monkeypatch.setenv("SIGHTLINE_ACCESS__OIDC__CLIENT_SECRET", "not for everybody")
    oidc = load_settings({"access": {"public_url": HERE, "oidc": OIDC}}).access.oidc
    assert oidc.client_secret.get_secret_value() == "not for everybody"
    assert "not for everybody" not in repr(oidc)


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"public_url": "sightline.example.org"}, "an address without a path"),
        ({"public_url": f"{HERE}/console"}, "an address without a path"),
        ({"public_url": "https://user:word@sightline.example.org"}, "an address without a path"),
        ({"public_url": HERE, "oidc": OIDC | {"issuer": "http://login.example.org"}}, "expected an https:// address"),
        ({"public_url": HERE, "oidc": OIDC | {"roles": {}}}, "oidc.issuer needs"),
        ({"public_url": HERE, "oidc": OIDC | {"client_id": ""}}, "oidc.issuer needs"),
        ({"oidc": OIDC}, "oidc.issuer needs"),
    ],
)
def test_an_address_that_cannot_be_one_is_said_in_words(access: dict[str, Any], words: str) -> None:
    """Where people are sent, and from where they come, is checked before anybody is."""
    with pytest.raises(ValidationError, match=words):
        load_settings({"access": access})
