"""How a person holds itself: an action and its moment in, joints in metres around the feet out.

A posture is a handful of angles. Actions that last are functions of time or of the distance gone, so that feet do
not slide; from one action to the next the angles are blended, and a fall is a path through angles.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.scenes.looks import Look, Style
from pipeline.scenes.script import Pose
from pipeline.scenes.solids import Points
from pipeline.scenes.truth import Posture

HEAD, NECK, PELVIS = 0, 1, 2
SHOULDERS, HIPS = (3, 4), (5, 6)
LEGS = ((5, 7, 8, 9), (6, 10, 11, 12))
ARMS = ((3, 13, 14), (4, 15, 16))
CHEST = 17
"""Joints in the order `joints` gives them, left before right; then a point in front of the chest's middle: which way
it faces."""
NUM_JOINTS = 18
SADDLE_M = 0.98
"""Of a rider's pelvis above the ground."""
_FLESH = np.array([0.06, 0.05, 0.075, 0.05, 0.05, 0.06, 0.06, *(0.035, 0.02, 0.012) * 2, *(0.02, 0.015) * 2, 0.0])
"""Around each joint, shares of the height: what touches the ground."""
_TILT = 1.48
"""Radians: of a body on the ground."""


class Body(NamedTuple):
    """Angles in radians, zero for standing straight; forwards and outwards are positive. Left, then right."""

    pitch: float = 0.0
    """Of the whole body, forwards."""
    roll: float = 0.0
    """Of the whole body, to its left."""
    torso: float = 0.02
    nod: float = 0.0
    twist: float = 0.0
    thighs: tuple[float, float] = (0.0, 0.0)
    knees: tuple[float, float] = (0.03, 0.03)
    """Bent backwards."""
    splays: tuple[float, float] = (0.04, 0.04)
    arms: tuple[float, float] = (0.0, 0.0)
    elbows: tuple[float, float] = (0.15, 0.15)
    """Bent forwards."""
    spreads: tuple[float, float] = (0.12, 0.12)
    folds: tuple[float, float] = (0.0, 0.0)
    """Of the forearm, outwards."""


STANDING = Body()


def joints(look: Look, pose: Pose) -> Points:
    """(18, 3) of (forward, left, up), metres."""
    style = look.style or Style()
    body = _blended(style, pose)
    points = _skeleton(body, style) * look.height
    _tilt(points, body)
    if pose.action == "cycle":
        points[:, 2] += SADDLE_M * (0.86 if pose.how == "motorcycle" else 1.0) - points[PELVIS, 2]
        points[:, 0] -= 0.22
        return points
    points[:, 2] += pose.lift - (points[:, 2] - _FLESH * look.height).min()
    points[:, 0] += math.sin(body.pitch) * 0.48 * look.height
    points[:, 1] += math.sin(body.roll) * 0.48 * look.height
    return points


def posture(pose: Pose, style: Style | None) -> Posture:
    """The word for how the body is held, halfway through a change the new one."""
    body = _blended(style or Style(), pose)
    if math.hypot(body.pitch, body.roll) > 0.85:
        return "lying"
    is_changing = pose.seconds < _blend_seconds(pose) / 2
    action = pose.before if is_changing else pose.action
    return _POSTURES.get(action, "upright")


_POSTURES: dict[str, Posture] = {"crouch": "crouched", "bend": "crouched", "sit": "sitting", "cycle": "sitting"}


def _blend_seconds(pose: Pose) -> float:
    """How long the change into this action takes."""
    if not pose.before or pose.action in ("fall", "cycle") or (pose.before, pose.action) == ("fall", "lie"):
        return 0.0
    is_slow = pose.before in ("lie", "fall") or pose.action == "lie"
    return 1.3 if is_slow else 0.55 if "sit" in (pose.before, pose.action) else 0.4


def _blended(style: Style, pose: Pose) -> Body:
    now = _falling(style, pose) if pose.action == "fall" else _held(style, pose, pose.action)
    lasts = _blend_seconds(pose)
    if pose.seconds >= lasts:
        return now
    return _mix(_held(style, pose, pose.before), now, _smooth(pose.seconds / lasts))


def _held(style: Style, pose: Pose, action: str) -> Body:
    if action in ("walk", "run"):
        return _gait(style, pose, is_running=action == "run")
    if action in ("fall", "lie"):
        return _lying(style, pose.how)
    makers = {"fight": _fighting, "greet": _greeting, "climb": _climbing, "cycle": _riding, "sit": _sitting}
    if action in makers:
        return makers[action](style, pose)
    if action == "crouch":
        return Body(torso=0.55, nod=-0.2, thighs=(1.75, 1.6), knees=(2.25, 2.2), splays=(0.25, 0.25),
                    arms=(0.95, 0.8), elbows=(0.5, 0.7))  # fmt: skip
    if action == "bend":
        return _bending(style, pose)
    sway = 0.012 * math.sin(1.3 * pose.seconds + style.beat)
    return STANDING._replace(torso=0.02 + style.stoop, roll=sway, arms=(0.05, -0.02))


def _gait(style: Style, pose: Pose, *, is_running: bool) -> Body:
    phase = 2 * math.pi * pose.travelled / (1.71 * (1.45 if is_running else 0.88)) + style.beat
    swing, flexed = (0.78, 1.5) if is_running else (0.42, 0.75)
    thighs = (swing * math.sin(phase), -swing * math.sin(phase))
    knees = tuple(0.05 + flexed * max(0.0, turn * math.cos(phase)) for turn in (1.0, -1.0))
    carried = 1.4 if is_running else 0.25
    reach = 0.9 * (1.0 if is_running else style.swing)
    return Body(
        torso=(0.22 if is_running else 0.04) + style.stoop, twist=0.15 * math.sin(phase), thighs=thighs,
        knees=(knees[0], knees[1]), splays=(0.02, 0.02), arms=(-reach * thighs[0], -reach * thighs[1]),
        elbows=(carried, carried),
    )  # fmt: skip


def _lying(style: Style, how: str) -> Body:
    """On the front, the back or a side, limbs as they fell."""
    side = how or ("front", "back", "left", "right")[int(style.way * 4) % 4]
    pitch = {"front": _TILT, "back": -_TILT}.get(side, 0.0)
    roll = {"left": _TILT, "right": -_TILT}.get(side, 0.0)
    loose = math.sin(style.beat * 7), math.sin(style.beat * 13), math.sin(style.beat * 29)
    return Body(
        pitch=pitch, roll=roll, torso=0.1 + 0.15 * loose[0] if roll else 0.0,
        thighs=(0.35 + 0.35 * loose[0], 0.2 + 0.3 * loose[1]) if roll else (0.1 * loose[0], 0.1 * loose[1]),
        knees=(0.5 + 0.45 * loose[1], 0.4 + 0.4 * loose[2]) if roll else (0.12, 0.12),
        splays=(0.05, 0.05) if roll else (0.2 + 0.15 * loose[1], 0.2 - 0.15 * loose[2]),
        arms=(0.7 + 0.7 * loose[2], 1.1 + 0.6 * loose[0]) if roll else (0.4 + 0.9 * loose[2], 0.2),
        elbows=(0.5, 0.4), spreads=(0.15, 0.15) if roll else (0.8 + 0.6 * loose[0], 0.7 + 0.6 * loose[1]),
        folds=(0.1, 0.1) if roll else (0.5 * loose[1], 0.4),
    )  # fmt: skip


def _falling(style: Style, pose: Pose) -> Body:
    """Knees give way, arms fly up, then the body tips faster and faster."""
    share = pose.seconds / max(pose.seconds + pose.left_seconds, 1e-6)
    start = _held(style, pose, pose.before or "stand")
    lying = _lying(style, pose.how)
    buckled = _mix(STANDING, lying, 0.28)._replace(
        torso=0.25, thighs=(0.75, 0.4), knees=(0.9, 0.7), arms=(0.9, 0.5), elbows=(0.6, 0.5), spreads=(0.9, 0.8)
    )
    if share < 0.45:
        return _mix(start, buckled, _smooth(share / 0.45))
    return _mix(buckled, lying, ((share - 0.45) / 0.55) ** 1.6)


def _bending(style: Style, pose: Pose) -> Body:
    how = pose.how or ("stoop" if style.way < 0.5 else "kneel")
    tying = 0.12 * math.sin(9 * pose.seconds + style.beat)
    if how == "kneel":
        return Body(torso=0.75, nod=0.3, thighs=(1.5, -0.05), knees=(1.45, 1.55), arms=(0.75 + tying, 0.8 - tying),
                    elbows=(0.15, 0.2))  # fmt: skip
    return Body(torso=1.55, nod=0.35, thighs=(0.25, 0.05), knees=(0.5, 0.25), arms=(0.35 + tying, 0.25 - tying),
                elbows=(0.1, 0.1))  # fmt: skip


def _sitting(style: Style, pose: Pose) -> Body:
    rest = 0.06 * math.sin(0.9 * pose.seconds + style.beat)
    if pose.how == "ground":
        return Body(torso=0.15 + rest, thighs=(1.9, 1.75), knees=(1.5, 1.2), arms=(0.9, 0.8), elbows=(0.4, 0.5),
                    splays=(0.2, 0.2))  # fmt: skip
    return Body(torso=-0.06 + rest, thighs=(1.5, 1.45), knees=(1.5, 1.4), arms=(0.5, 0.45), elbows=(0.9, 0.9),
                splays=(0.12, 0.12))  # fmt: skip


def _fighting(style: Style, pose: Pose) -> Body:
    """Punches left and right, now and then a kick or a shove; never still."""
    beat = 2 * math.pi * (1.5 + 0.8 * style.way) * pose.seconds + style.beat
    left, right = (max(0.0, math.sin(beat + turn)) ** 2 for turn in (0.0, math.pi))
    kick = max(0.0, math.sin(beat / 4 + style.beat * 3) - 0.75) * 4
    lunge = math.sin(beat / 2 + style.beat)
    return Body(
        pitch=0.12 * lunge, roll=0.1 * math.sin(beat * 0.37), torso=0.28 + 0.2 * lunge, nod=0.1,
        twist=0.6 * (right - left), thighs=(0.45, -0.3 + 1.5 * kick), knees=(0.35, 0.3), splays=(0.16, 0.16),
        arms=(0.7 + 0.9 * left, 0.7 + 0.9 * right), elbows=(1.9 - 1.8 * left, 1.9 - 1.8 * right),
        spreads=(0.25, 0.25), folds=(-0.2, -0.2),
    )  # fmt: skip


def _greeting(style: Style, pose: Pose) -> Body:
    how = pose.how or ("wave" if style.way < 0.5 else "shake")
    if how == "hug":
        return Body(torso=0.12, arms=(1.35, 1.15), elbows=(0.35, 0.5), spreads=(0.3, 0.3), folds=(-0.6, -0.6))
    if how == "shake":
        pump = 0.1 * math.sin(2 * math.pi * 1.8 * pose.seconds)
        return Body(torso=0.1, arms=(0.0, 0.75 + pump), elbows=(0.15, 0.75 - pump), spreads=(0.12, 0.0))
    wave = 0.5 * math.sin(2 * math.pi * 1.4 * pose.seconds + style.beat)
    return Body(torso=0.0, arms=(0.0, 0.25), elbows=(0.15, 0.1), spreads=(0.12, 2.0), folds=(0.0, 0.85 + wave))


def _climbing(style: Style, pose: Pose) -> Body:
    """Hand over hand, knee after knee; astride at the top."""
    total = max(pose.seconds + pose.left_seconds, 1e-6)
    share = pose.seconds / total
    if 0.45 < share < 0.62:
        return Body(torso=0.9, thighs=(1.5, 0.6), knees=(1.7, 0.5), splays=(0.5, 0.5), arms=(0.9, 0.9),
                    elbows=(0.3, 0.3))  # fmt: skip
    beat = math.sin(2 * math.pi * 0.9 * pose.seconds + style.beat)
    left, right = 0.5 + 0.5 * beat, 0.5 - 0.5 * beat
    return Body(
        torso=0.12, nod=-0.25, thighs=(0.2 + 1.2 * left, 0.2 + 1.2 * right), splays=(0.35, 0.35),
        knees=(0.35 + 1.3 * left, 0.35 + 1.3 * right), arms=(2.0 + 0.9 * right, 2.0 + 0.9 * left),
        elbows=(0.7 - 0.6 * right, 0.7 - 0.6 * left), spreads=(0.3, 0.3),
    )  # fmt: skip


def _riding(style: Style, pose: Pose) -> Body:
    """Pedalling, one turn to five metres; on a motorcycle with the feet on their rests."""
    if pose.how == "motorcycle":
        return Body(torso=0.25, thighs=(1.15, 1.15), knees=(1.35, 1.35), splays=(0.2, 0.2), arms=(0.85, 0.85),
                    elbows=(0.35, 0.35))  # fmt: skip
    turn = 2 * math.pi * pose.travelled / 5 + style.beat
    sweeps = math.sin(turn), -math.sin(turn)
    lifts = math.cos(turn), -math.cos(turn)
    return Body(
        torso=0.5 + style.stoop, thighs=(0.78 + 0.38 * sweeps[0], 0.78 + 0.38 * sweeps[1]),
        knees=(1.0 + 0.4 * sweeps[0] - 0.3 * lifts[0], 1.0 + 0.4 * sweeps[1] - 0.3 * lifts[1]), splays=(0.05, 0.05),
        arms=(0.95, 0.95), elbows=(0.2, 0.2),
    )  # fmt: skip


def _mix(one: Body, other: Body, share: float) -> Body:
    return Body(*(_between(a, b, share) for a, b in zip(one, other, strict=True)))  # type: ignore[arg-type]  # alike


def _between(one: float | tuple[float, float], other: float | tuple[float, float], share: float) -> object:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])
    return one + share * (other - one)  # type: ignore[operator]  # both floats


def _smooth(share: float) -> float:
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _skeleton(body: Body, style: Style) -> Points:
    """Joints around the pelvis, in shares of the height, before the whole body tips."""
    up, forward = math.cos(body.torso), math.sin(body.torso)
    nod = body.torso + body.nod
    points = [(0.0, 0.0, 0.0)] * NUM_JOINTS
    points[NECK] = 0.33 * forward, 0.0, 0.33 * up
    points[HEAD] = 0.33 * forward + 0.095 * math.sin(nod) + 0.012, 0.0, 0.33 * up + 0.095 * math.cos(nod)
    points[CHEST] = 0.28 * forward + 0.1 * up, 0.0, 0.28 * up - 0.1 * forward
    half = 0.1 * style.build
    for side, sign in ((0, 1.0), (1, -1.0)):
        turned = -sign * math.sin(body.twist) * half
        points[SHOULDERS[side]] = 0.285 * forward + turned, sign * half * math.cos(body.twist), 0.285 * up
        points[HIPS[side]] = 0.0, sign * 0.052, 0.0
        hip, knee, ankle, toe = LEGS[side]
        thigh, splay = body.thighs[side], body.splays[side] * sign
        shin = thigh - body.knees[side]
        points[knee] = _bone(points[hip], 0.245, thigh, splay)
        points[ankle] = _bone(points[knee], 0.235, shin, splay * 0.4)
        points[toe] = _bone(points[ankle], 0.085, shin * 0.6 + 1.4, 0.15 * sign)
        shoulder, elbow, hand = ARMS[side]
        arm, spread = body.arms[side], body.spreads[side] * sign
        points[elbow] = _bone(points[shoulder], 0.168, arm, spread)
        points[hand] = _bone(points[elbow], 0.17, arm + body.elbows[side], spread + body.folds[side] * sign)
    return np.array(points)


def _bone(start: tuple[float, float, float], length: float, angle: float, out: float) -> tuple[float, float, float]:
    """The other end: hung straight down, swung forwards by `angle` and then outwards to the left by `out`."""
    reach = length * math.cos(out)
    forward, left, up = start
    return forward + reach * math.sin(angle), left + length * math.sin(out), up - reach * math.cos(angle)


def _tilt(points: Points, body: Body) -> None:
    """Tip the whole body about its pelvis, forwards and to its left, in place."""
    for axis, angle in ((0, body.pitch), (1, body.roll)):
        if angle:
            along, up = points[:, axis].copy(), points[:, 2].copy()
            points[:, axis] = along * math.cos(angle) + up * math.sin(angle)
            points[:, 2] = up * math.cos(angle) - along * math.sin(angle)
