"""The schema of the values: closed, made from the program's own, and every key in it looked at by helm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.settings import Settings
from tests.deployments.helm.renderings import values_of
from tests.support.chart_schema import PATH, chart_schema
from tests.support.kubernetes import CHART, RenderError, template

Schema = dict[str, Any]
Step = tuple[str, ...]
_WRONG: tuple[Any, ...] = ("☠", -1, {"no-such-key": 1}, [{"no-such-key": 1}], 10**12, None, True)
"""One of these is wrong for every key."""


@cache
def _schema() -> Schema:
    return dict(json.loads(PATH.read_text(encoding="utf-8")))


@cache
def _values() -> dict[str, Any]:
    return dict(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))


def _resolved(schema: Schema) -> Schema:
    while "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _keys(schema: Schema, path: Step = ()) -> Iterator[tuple[Step, Schema]]:
    """Every key that can be given, `*` for an entry of a list or a free name; its schema."""
    schema = _resolved(schema)
    inner = list(schema.get("properties", {}).items())
    inner += [("*", part) for part in schema.get("patternProperties", {}).values()]
    inner += [("*", schema["items"])] if isinstance(schema.get("items"), dict) else []
    for name, part in inner:
        yield (*path, name), part
        yield from _keys(part, (*path, name))
    for part in schema.get("anyOf", ()):
        yield from _keys(part, path)


def _wrong_for(schema: Schema) -> Any:
    validator = jsonschema.Draft7Validator({**schema, "$defs": _schema()["$defs"]})
    return next((value for value in _WRONG if not validator.is_valid(value)), ...)


def _objects(schema: Any, path: str = "") -> Iterator[tuple[str, Schema]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object" or "properties" in schema:
            yield path, schema
        for key, part in schema.items():
            yield from _objects(part, f"{path}/{key}")
    elif isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from _objects(part, f"{path}/{number}")


def test_the_schema_in_the_chart_is_the_one_that_is_made() -> None:
    """Whoever changes a setting, the site file or a value makes it anew: `python -m tests.support.chart_schema`."""
    assert _schema() == chart_schema()


def test_every_object_of_the_schema_is_closed() -> None:
    """No object takes a key that nobody described; where keys are free, their names or values are not."""
    found = list(_objects(_schema()))
    open_ones = [
        path for path, one in found if one.get("additionalProperties") is not False and "propertyNames" not in one
    ]
    assert open_ones == []
    print(f"tier 3: {len(found)} objects of the schema are closed")


def test_the_values_hold_every_key_of_the_schema_and_no_other() -> None:
    """What can be set can be read in values.yaml with what it means; the site file is described elsewhere."""

    def differences(values: Any, schema: Schema, path: str) -> Iterator[str]:
        schema = _resolved(schema)
        if path == ".siteFile" or not schema.get("properties") or not isinstance(values, dict):
            return
        yield from (f"{path}.{key}" for key in values.keys() ^ schema["properties"].keys())
        for key in values.keys() & schema["properties"].keys():
            yield from differences(values[key], schema["properties"][key], f"{path}.{key}")

    assert list(differences(_values(), _schema(), "")) == []


def test_the_settings_in_the_values_are_the_programs_own_defaults() -> None:
    """What the chart reckons with has, in values.yaml, the keys and the defaults of pipeline/settings.py."""
    program = json.loads(Settings.model_construct().model_dump_json())

    def differences(given: dict[str, Any], own: dict[str, Any], path: str = "") -> Iterator[str]:
        for key, value in given.items():
            if isinstance(value, dict):
                yield from differences(value, own[key], f"{path}{key}.")
            elif own.get(key, ...) != value:
                yield f"{path}{key} is {value} here and {own.get(key)} in the program"

    assert list(differences(_values()["siteFile"]["settings"], program)) == []


def test_every_key_refuses_a_wrong_value() -> None:
    """One wrong value a key, made from the schema itself: the schema refuses it where it stands."""
    count = 0
    for path, part in _keys(_schema()):
        wrong = _wrong_for(part)
        assert wrong is not ..., f"{'.'.join(path)} takes anything"
        count += 1
    print(f"tier 3: {count} keys, one wrong value each, all refused")
    assert count > 300


def test_every_section_refuses_a_misspelt_key() -> None:
    """A key that is not there is refused in every section of the values, as a typing error should be."""
    validator = jsonschema.Draft7Validator(_schema())
    sections = [path for path, part in _keys(_schema()) if "properties" in _resolved(part) and "*" not in path]
    for path in sections:
        document: dict[str, Any] = {"imageRegistrie": 1}
        for name in reversed(path):
            document = {name: document}
        errors = [error.message for error in validator.iter_errors(document)]
        assert any("imageRegistrie" in text for text in errors), path
    print(f"tier 3: {len(sections)} sections refuse a misspelt key")


def _own_keys() -> list[Step]:
    return [path for path, part in _keys(_schema()) if path[0] != "siteFile" and "*" not in path]


@pytest.mark.parametrize("major", [3, 4])
def test_helm_itself_refuses_wrong_values(major: int) -> None:
    """Helm 3 and helm 4 read the schema alike: a wrong value of every section at once is refused, each by its name."""
    document: dict[str, Any] = {}
    parts = dict(_keys(_schema()))
    leaves = [path for path in _own_keys() if "properties" not in _resolved(parts[path])]
    for path in leaves:
        at = document
        for name in path[:-1]:
            at = at.setdefault(name, {})
        at[path[-1]] = _wrong_for(parts[path])
    sets = [f"{key}={json.dumps(value)}" for key, value in document.items()]
    with pytest.raises(RenderError) as caught:
        template(CHART, values=values_of("cpu"), json_sets=sets, major=major)
    said = str(caught.value)
    missing = [path for path in leaves if ".".join(path) not in said and "/" + "/".join(path) not in said]
    assert missing == []
    print(f"tier 3: helm {major} refused {len(leaves)} wrong values by name")
