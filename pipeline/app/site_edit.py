"""Small changes to the text of a site file that leave every other character as it was: comments, quotes, `${SECRETS}`.

In: a text and what should be different. Out: the new text, read again and compared: where a text is written so that
the change cannot be made in place (aliases, a key on the line of its dash), `ConfigError` says so and asks for a hand.
What the change means, and whether the text may be used, is for others to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from pipeline.console.host import DrawnCamera, Shape, ShapeKind
from pipeline.errors import ConfigError
from pipeline.site_document import check_size

_KINDS: tuple[ShapeKind, ...] = ("zones", "lines", "masks")
_DIGITS = 3
"""Of a point's fractions: a thousandth of a picture is a pixel or two."""
_MOST_CHARACTERS = 500_000
_FAR = 1000.0
"""A number beyond is no place on a picture, however wrong."""

Path = tuple[str | int, ...]


def switched(text: str, rule_id: str, *, is_on: bool) -> str:
    """With a rule switched on or off."""
    root, value = _read(text)
    return _put(text, root, value, ("rules", _place(value, "rules", rule_id), "enabled"), is_on)


def drawn(text: str) -> list[DrawnCamera]:
    """The zones, lines and masks of each camera, as far as they can be read."""
    try:
        _, value = _read(text)
    except ConfigError:
        return []
    return [DrawnCamera(camera["id"], tuple(_shapes(camera))) for camera in _cameras(value)]


def with_shape(text: str, camera_id: str, shape: Shape) -> str:
    """With a shape put, moved, or, without points, taken out."""
    root, value = _read(text)
    at: Path = ("cameras", _place(value, "cameras", camera_id), shape.kind)
    there = value["cameras"][at[1]].get(shape.kind)
    points = [[round(x, _DIGITS), round(y, _DIGITS)] for x, y in shape.points]
    if shape.kind == "masks":
        return _put(text, root, value, at, _with_mask(there, shape.name, points))
    if points:
        is_first = not isinstance(there, dict)
        return _put(
            text, root, value, at if is_first else (*at, shape.name), {shape.name: points} if is_first else points
        )
    if not isinstance(there, dict) or shape.name not in there:
        raise ConfigError(f"camera {camera_id} has none of its {shape.kind} called {shape.name!r}")
    left = {name: each for name, each in there.items() if name != shape.name}
    return _put(text, root, value, at, left) if not left else _take_out(text, root, value, (*at, shape.name))


def _with_mask(there: Any, name: str, points: list[list[float]]) -> list[Any]:
    """Masks have no names: they are counted from 1, and the next is a new one."""
    masks = list(there) if isinstance(there, list) else []
    number = int(name) if name.isdecimal() else 0
    if not 1 <= number <= len(masks) + bool(points):
        raise ConfigError(f"masks are counted: expected a number from 1 to {len(masks) + 1}, got {name!r}")
    return [*masks[: number - 1], *([points] if points else []), *masks[number:]]


def _cameras(value: Any) -> Iterator[dict[str, Any]]:
    cameras = value.get("cameras")
    for camera in cameras if isinstance(cameras, list) else ():
        if isinstance(camera, dict) and isinstance(camera.get("id"), str):
            yield camera


def _shapes(camera: dict[str, Any]) -> Iterator[Shape]:
    for kind in _KINDS:
        found = camera.get(kind)
        named = dict(enumerate(found, 1)) if isinstance(found, list) else found
        for name, points in named.items() if isinstance(named, dict) else ():
            if _are_points(points):
                yield Shape(kind, str(name), tuple((float(x), float(y)) for x, y in points))


def _are_points(points: Any) -> bool:
    return isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 and all(map(_is_near, point)) for point in points
    )


def _is_near(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _FAR


def _read(text: str) -> tuple[yaml.Node, dict[str, Any]]:
    """The tree with its places, and the plain values; `ConfigError` for what is no site file by far."""
    if len(text) > _MOST_CHARACTERS:
        raise ConfigError(f"expected a site file of {_MOST_CHARACTERS:,} characters at most")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)  # not libyaml's: it crashes on what is nested deeply
        if root is None:
            raise ConfigError("expected keys such as cameras: and rules:")
        check_size(root)
        value = _apart(yaml.SafeLoader("").construct_document(root))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError("the text is not YAML that can be read; put right what is said of it first") from error
    if not isinstance(value, dict):
        raise ConfigError("expected keys such as cameras: and rules:")
    return root, value


def _apart(value: Any) -> Any:
    """A copy in which nothing is there twice, as an alias makes it: what is changed in one place stays in the other."""
    if isinstance(value, dict):
        return {key: _apart(each) for key, each in value.items()}
    return [_apart(each) for each in value] if isinstance(value, list) else value


def _place(value: dict[str, Any], key: str, name: str) -> int:
    items = value.get(key)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and item.get("id") == name:
            return index
    raise ConfigError(f"the site file has no {key.removesuffix('s')} {name!r}")


def _put(text: str, root: yaml.Node, value: dict[str, Any], path: Path, new: Any) -> str:
    parent, key = _node(root, path[:-1]), path[-1]
    assert isinstance(parent, yaml.MappingNode)  # `_place` and the callers see to it
    pair = next(((k, v) for k, v in parent.value if k.value == key), None)
    flow = _flow(new)
    item = f"{_word(str(key))}: {flow}"
    if pair is not None:
        start, end = pair[1].start_mark.index, _end(pair[1], text)
        has_comment = "#" in text[pair[0].end_mark.index : start]
        edited = _cut(text, start, end, flow) if has_comment else _cut(text, pair[0].end_mark.index, end, f": {flow}")
    elif not parent.value or parent.flow_style:
        edited = _into_flow(text, parent, item)
    else:
        edited = _after_last(text, parent, item)
    return _checked(edited, value, path, new)


def _take_out(text: str, root: yaml.Node, value: dict[str, Any], path: Path) -> str:
    """One of several keys."""
    parent = _node(root, path[:-1])
    assert isinstance(parent, yaml.MappingNode)
    index = next(i for i, (k, _) in enumerate(parent.value) if k.value == path[-1])
    key, node = parent.value[index]
    if not parent.flow_style:
        start = text.rfind("\n", 0, key.start_mark.index) + 1
        edited = _cut(text, start, _line_end(text, _end(node, text)) + 1, "")
    elif index + 1 < len(parent.value):
        edited = _cut(text, key.start_mark.index, parent.value[index + 1][0].start_mark.index, "")
    else:
        edited = _cut(text, _end(parent.value[index - 1][1], text), _end(node, text), "")
    return _checked(edited, value, path, None)


def _into_flow(text: str, mapping: yaml.MappingNode, item: str) -> str:
    """Before the closing brace."""
    end = mapping.end_mark.index - 1
    if not mapping.value:
        return _cut(text, mapping.start_mark.index + 1, end, item)
    return _cut(text, (last := _end(mapping.value[-1][1], text)), last, f", {item}")


def _after_last(text: str, mapping: yaml.MappingNode, item: str) -> str:
    """On a line of its own below the last of a mapping in block style."""
    end = _line_end(text, _end(mapping, text))
    newline = "\r\n" if text[:end].endswith("\r") else "\n"
    return _cut(text, end, end, f"\n{' ' * mapping.start_mark.column}{item}{newline[:-1]}")


def _end(node: yaml.Node, text: str) -> int:
    """Where a node's last character is; PyYAML ends blocks at whatever comes next, behind comments."""
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        start = node.start_mark.index
        return start + len(text[start : node.end_mark.index].rstrip())
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last, text)
    return int(node.end_mark.index)


def _node(root: yaml.Node, path: Path) -> yaml.Node:
    for key in path:
        if isinstance(root, yaml.MappingNode):
            root = next(node for name, node in root.value if name.value == key)
        elif isinstance(root, yaml.SequenceNode):
            root = root.value[key]
    return root


def _checked(edited: str, value: dict[str, Any], path: Path, new: Any) -> str:
    """The text, when what it says now is what it said, but for this; `new` None: that it is not there."""
    owner: Any = value
    for key in path[:-1]:
        owner = owner[key]
    if new is None:
        del owner[path[-1]]
    else:
        owner[path[-1]] = new
    try:
        is_right = _read(edited)[1] == value
    except ConfigError:
        is_right = False
    if not is_right:
        raise ConfigError(f"{path[-1]} cannot be changed in place, the way this file is written: change it in the text")
    return edited


def _flow(value: Any) -> str:
    """One line of YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_word(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)


def _word(name: str) -> str:
    """A key as it is, in quotes where YAML would read something else."""
    return name if name[:1].isalpha() and yaml.safe_load(name) == name else json.dumps(name)


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end


def _cut(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]
