"""A report's plan → the report in words, English or Chinese, in the form of the report's schema.

What happens is told in the words of `pipeline.scenes`, so that the model speaks as it was taught; only names of
zones, numbers of tracks and measured times come from the clip. What a sentence names is an element of the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.assessment import RelationKind
from pipeline.contracts.values import Severity
from pipeline.models.clip import Clip
from pipeline.models.report_language import ZONE, ReportPlan, SeenAction, SeenElement, SeenRelation
from pipeline.scenes import telling_en, telling_zh
from pipeline.scenes.telling import Forecast, Tale

_THOUSANDTHS = 1000
_MAX_ZONE_CHARACTERS = 60
_SENTENCES = 3
"""Of actions in the explanation."""
_BAGS = ("backpack", "suitcase", "handbag")
_ACTED = "ordinary"
"""Of this tale the actions are told: that nothing unusual happens says nothing of what a rule asked."""
_VERBS = {
    "causes", "prevents", "holds", "carries", "puts down", "picks up", "pushes", "pulls", "hits", "touches", "follows",
    "looks at", "talks to", "gives to", "takes from", "rides", "drives", "enters", "leaves", "climbs", "uses",
}  # fmt: skip
"""Kinds of relations that are verbs already."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One language's words."""

    tales: Mapping[str, Tale]
    names: Mapping[str, str]
    actions: Mapping[str, str]
    """After a name: `person 7 walks`."""
    relations: Mapping[RelationKind, str]
    severities: Mapping[Severity, str]
    gaps: Mapping[str, str]
    """What fills a gap of a tale for which the report has nothing."""
    advice: str
    """Where a tale has none."""
    in_frames: str
    space: str
    """Between words."""
    stop: str
    measured: str
    units: Mapping[str, str]
    built_in: str


_EN = Wording(
    tales=telling_en.TALES,
    names={
        "person": "person", "bicycle": "bicycle", "motorcycle": "motorcycle", "car": "car", "truck": "truck",
        "dog": "dog", "cat": "cat", "bird": "bird", "backpack": "backpack", "suitcase": "suitcase",
        "handbag": "handbag", "smoke": "smoke", "thing": "thing",
    },
    actions={
        "walk": "walks", "run": "runs", "stand": "stands", "crouch": "crouches", "bend": "bends down",
        "climb": "climbs", "lie": "lies on the ground", "sit": "sits", "fall": "falls", "fight": "fights",
        "greet": "greets somebody", "cycle": "rides", "drive": "drives", "parked": "stands parked",
        "carried": "is carried", "left": "stands on the ground", "rise": "rises", "other": "is there",
    },
    relations={kind: f"{'' if str(kind) in _VERBS else 'is '}{kind}" for kind in RelationKind}
    | {RelationKind.TOWARDS: "goes towards", RelationKind.AWAY_FROM: "goes away from", RelationKind.OTHER: "is with"},
    severities={
        Severity.LOW: "Nothing here needs haste.", Severity.MEDIUM: "It should be looked at soon.",
        Severity.HIGH: "Somebody may get hurt or something may be taken.",
        Severity.CRITICAL: "Somebody may be hurt already.",
    },
    gaps={
        "who": "somebody", "other": "somebody else", "bag": "the bag", "zone": "the marked area",
        "place": "the camera's view",
    },
    advice="Look at the pictures.", in_frames="{who} {what} (frames {first} to {last})", space=" ", stop=". ",
    measured="The tracker measured {value:.0f} {unit}",
    units={"s": "seconds", "heights/s": "own heights a second", "objects": "at once"},
    built_in="Written by the built-in demonstrator model.",
)  # fmt: skip
_ZH = Wording(
    tales=telling_zh.TALES,
    names={
        "person": "人员", "bicycle": "自行车", "motorcycle": "摩托车", "car": "汽车", "truck": "卡车", "dog": "狗",
        "cat": "猫", "bird": "鸟", "backpack": "背包", "suitcase": "行李箱", "handbag": "手提包", "smoke": "烟雾",
        "thing": "物体",
    },
    actions={
        "walk": "行走", "run": "奔跑", "stand": "站立", "crouch": "蹲下", "bend": "弯腰", "climb": "攀爬",
        "lie": "躺在地上", "sit": "坐着", "fall": "跌倒", "fight": "打斗", "greet": "与人打招呼", "cycle": "骑行",
        "drive": "行驶", "parked": "停放", "carried": "被携带", "left": "放在地上", "rise": "升起", "other": "在场",
    },
    relations={
        RelationKind.LEFT_OF: "在左侧于", RelationKind.RIGHT_OF: "在右侧于", RelationKind.ABOVE: "高于",
        RelationKind.BELOW: "低于", RelationKind.IN_FRONT_OF: "在前方于", RelationKind.BEHIND: "在后方于",
        RelationKind.INSIDE: "位于", RelationKind.OUTSIDE: "在外于", RelationKind.ON: "在上于",
        RelationKind.NEXT_TO: "靠近", RelationKind.FAR_FROM: "远离", RelationKind.TOWARDS: "走向",
        RelationKind.AWAY_FROM: "走离", RelationKind.CAUSES: "造成", RelationKind.PREVENTS: "阻止",
        RelationKind.HOLDS: "拿着", RelationKind.CARRIES: "携带", RelationKind.PUTS_DOWN: "放下",
        RelationKind.PICKS_UP: "拿起", RelationKind.PUSHES: "推", RelationKind.PULLS: "拉", RelationKind.HITS: "击打",
        RelationKind.TOUCHES: "接触", RelationKind.FOLLOWS: "跟随", RelationKind.LOOKS_AT: "看着",
        RelationKind.TALKS_TO: "交谈于", RelationKind.GIVES_TO: "交给", RelationKind.TAKES_FROM: "取自",
        RelationKind.RIDES: "骑", RelationKind.DRIVES: "驾驶", RelationKind.ENTERS: "进入",
        RelationKind.LEAVES: "离开", RelationKind.CLIMBS: "攀爬", RelationKind.USES: "使用", RelationKind.OTHER: "伴随",
    },
    severities={
        Severity.LOW: "无需紧急处理。", Severity.MEDIUM: "应尽快查看。", Severity.HIGH: "可能有人受伤或财物损失。",
        Severity.CRITICAL: "可能已有人受伤。",
    },
    gaps={"who": "某人", "other": "另一人", "bag": "包", "zone": "标记区域", "place": "画面"},
    advice="查看图片。", in_frames="{who}{what}(第{first}至{last}帧)", space="", stop="。",
    measured="跟踪器测得{value:.0f}{unit}", units={"s": "秒", "heights/s": "身高每秒", "objects": "个同时"},
    built_in="由内置演示模型撰写。",
)  # fmt: skip


def as_report(plan: ReportPlan, clip: Clip, numbers: Sequence[int], language: str) -> dict[str, Any]:
    """The report as the schema has it.

    Args:
        plan: Of the clip's kept frames and regions.
        clip: As it was looked at.
        numbers: Of each kept frame its number in the report, from 1.
        language: `zh…` is answered in Chinese, any other in English.
    """
    return _Telling(plan, clip, numbers, _ZH if language.casefold().startswith("zh") else _EN).report()


class _Telling:
    """One plan in one language."""

    def __init__(self, plan: ReportPlan, clip: Clip, numbers: Sequence[int], wording: Wording) -> None:
        self._plan, self._clip, self._numbers, self._words = plan, clip, numbers, wording
        self._zone = clip.zone_name[:_MAX_ZONE_CHARACTERS].strip() or wording.gaps["zone"]
        self._names = self._named()
        self._tale = wording.tales[plan.tale]
        self._gaps = self._filled()

    def report(self) -> dict[str, Any]:
        """All keys of the schema."""
        plan, words = self._plan, self._words
        forecasts = [self._forecast(self._tale.forecasts[each.what], each.percent) for each in plan.forecasts]
        return {
            "frames": self._cited(),
            "elements": [
                self._element(element, name) for element, name in zip(plan.elements, self._names, strict=True)
            ],
            "relations": [self._relation(relation) for relation in plan.relations],
            "actions": [self._action(action) for action in plan.actions],
            "title": self._title(),
            "explanation": self._explanation(),
            "severity_reason": f"{words.severities[plan.severity]}{words.space}{words.built_in}",
            "severity": str(plan.severity),
            "forecasts": forecasts,
            "forecast": max(forecasts, key=lambda each: int(each["probability"]))["what"] if forecasts else "",
            "advice": self._told(self._tale.advice) or words.advice,
        }

    def _filled(self) -> dict[str, str]:
        """The gaps of tales: who acts, with whom or what, where, for how long, how many."""
        names = list(zip(self._plan.elements, self._names, strict=True))
        others = [name for element, name in names[1:] if element.name not in _BAGS]
        people = sum(element.name == "person" for element, _ in names)
        found = {
            "who": next((name for element, name in names if element.name not in _BAGS), ""),
            "other": others[0] if others else "",
            "bag": next((name for element, name in names if element.name in _BAGS), ""),
            "zone": self._zone,
            "seconds": f"{self._seconds():.0f}",
            "count": f"{max(self._measure('objects') or 0, people):.0f}",
        }
        return {**self._words.gaps, **{gap: text for gap, text in found.items() if text}}

    def _seconds(self) -> float:
        """As the tracker measured; else how long the clip lasts."""
        frames = self._clip.frames
        return self._measure("s") or frames[-1].seconds - frames[0].seconds

    def _measure(self, unit: str) -> float | None:
        """Of a fact with a limit, in this unit."""
        values = (fact.value for fact in self._clip.facts if fact.threshold is not None and fact.unit == unit)
        return next((value for value in values if value is not None), None)

    def _told(self, text: str) -> str:
        return _capital(text.format(**self._gaps))

    def _named(self) -> list[str]:
        """The same name for the same track; a letter where several of a kind have no track."""
        tracks = [self._track(element) for element in self._plan.elements]
        plain = [self._words.names[element.name] for element in self._plan.elements]
        untracked = Counter(name for name, track in zip(plain, tracks, strict=True) if track is None)
        met: Counter[str] = Counter()
        names = []
        for name, track in zip(plain, tracks, strict=True):
            if track is not None:
                names.append(f"{name}{self._words.space}{track}")
                continue
            met[name] += 1
            has_twins = untracked[name] > 1
            names.append(f"{name}{self._words.space}{chr(ord('A') + met[name] - 1)}" if has_twins else name)
        return names

    def _track(self, element: SeenElement) -> int | None:
        if element.region is None:
            return None
        return self._clip.frames[element.frame].regions[element.region].track_id

    def _cited(self) -> list[int]:
        """The frames in which something is named; the last one where nothing is."""
        plan = self._plan
        used = {element.frame for element in plan.elements} | {relation.frame for relation in plan.relations}
        used |= {frame for action in plan.actions for frame in (action.first, action.last)}
        return sorted(self._numbers[frame] for frame in used) or [self._numbers[-1]]

    def _element(self, element: SeenElement, name: str) -> dict[str, Any]:
        return {"name": name, "frame": self._numbers[element.frame], "box": self._box(element)}

    def _box(self, element: SeenElement) -> list[int] | None:
        """Whole thousandths; None for what is no region."""
        if element.region is None:
            return None
        frame = self._clip.frames[element.frame]
        height, width = frame.image.shape[:2]
        box = frame.regions[element.region].box
        sides = ((box.left, width), (box.top, height), (box.right, width), (box.bottom, height))
        return [min(max(round(_THOUSANDTHS * side / length), 0), _THOUSANDTHS) for side, length in sides]

    def _relation(self, relation: SeenRelation) -> dict[str, Any]:
        return {
            "subject": self._names[relation.subject],
            "kind": str(relation.kind),
            "relation": self._words.relations[relation.kind],
            "object": self._object(relation),
            "frame": self._numbers[relation.frame],
        }

    def _object(self, relation: SeenRelation) -> str:
        return self._zone if relation.object == ZONE else self._names[relation.object]

    def _action(self, action: SeenAction) -> dict[str, Any]:
        return {
            "who": self._names[action.who],
            "what": self._words.actions[action.what],
            "first_frame": self._numbers[action.first],
            "last_frame": self._numbers[action.last],
        }

    def _forecast(self, forecast: Forecast, percent: int) -> dict[str, Any]:
        return {
            "what": self._told(forecast.what),
            "within_seconds": forecast.within_seconds,
            "probability": percent,
        }

    def _title(self) -> str:
        if self._plan.tale == _ACTED and self._plan.actions:
            return _capital(self._doing(self._plan.actions[0]))
        return self._told(self._tale.title)

    def _explanation(self) -> str:
        """The tale, who did what in which frames, how the first two stand to each other, what was measured."""
        sentences = [] if self._plan.tale == _ACTED and self._plan.actions else [self._told(self._tale.explanation)]
        for action in self._plan.actions[:_SENTENCES]:
            said = self._action(action)
            frames = {"first": said["first_frame"], "last": said["last_frame"]}
            sentences.append(_capital(self._words.in_frames.format(who=said["who"], what=said["what"], **frames)))
        for relation in self._plan.relations[:1]:
            parts = (self._names[relation.subject], self._words.relations[relation.kind], self._object(relation))
            sentences.append(_capital(self._words.space.join(parts)))
        sentences += self._measured()
        stops = self._words.stop.strip()
        return self._words.stop.join(sentence.rstrip(stops) for sentence in sentences) + stops

    def _doing(self, action: SeenAction) -> str:
        return self._words.space.join((self._names[action.who], self._words.actions[action.what]))

    def _measured(self) -> list[str]:
        """What was measured against a limit."""
        for unit, words in self._words.units.items():
            value = self._measure(unit)
            if value is not None:
                return [self._words.measured.format(value=value, unit=words)]
        return []


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
