"""Rules as people type them in haste: no articles, places by any name, the place first, plain numbers, minutes.

Beside the whole sentences of `wording_en` and `wording_zh`, from the same tables; what is held out there is never used
here. A claim's own name of its zone is not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.scenes import wording_en as en
from pipeline.scenes import wording_zh as zh
from pipeline.scenes.wording import Wider

if TYPE_CHECKING:
    from pipeline.scenes.claims import Claim

ZONE_NAMES = {language: Wider(language).names("PLACES") for language in ("en", "zh")}
"""What operators call the zones they draw."""
_AGENTS = {
    "cycle": ("cyclist", "a cyclist", "rider", "a rider on a bike", "biker"),
    "climb": ("climber", "a climber"),
    "run": ("runner", "a runner"),
    "walk": ("pedestrian walking", "a walker"),
}
_SOMEBODY = ("person", "someone", "somebody", "anyone", "anybody", "people", "a person", "man", "woman")
_NOBODY = (
    "nobody",
    "no one",
    "not a soul",
    "no people",
    "nobody at all",
    "no person",
    "not anyone",
    "no-one",
    "0 people",
)
_TAILGATING = ("tailgating", "tailgating at the line", "following over the line", "close behind another over the line")
_OVER_THE_LINE = ("crosses the line", "crossing the line", "over the line", "steps over the line", "passes the line")
_FRAMES = (
    "{x}",
    "{x}",
    "{x}",
    "alert: {x}",
    "{x}?",
    "{x}!",
    "rule: {x}",
    "{x} - call me",
    "tell me: {x}",
    "{x}, please",
)
_MEASURED = {
    "in": ("里", "内", "里面", "当中"),
    "near": ("附近", "旁边", "边上", "旁"),
    "outside": ("外", "外面", "以外", "之外"),
}
_ZH_NOBODY = ("没人", "没有人", "无人", "空无一人", "一个人都没有", "没有一个人")
_ZH_TAILGATING = ("尾随", "尾随过线", "跟着过线", "紧跟着越线", "尾随越线")
_ZH_OVER = ("越线", "过线", "越过标线", "跨线", "跨过界线")
_ZH_HELD = {
    "backpack": ("背着", "背"),
    "suitcase": ("拖着", "拉着"),
    "handbag": ("拎着", "提着"),
    "bag": ("带", "提着"),
}
_ZH_FRAMES = ("{x}", "{x}", "{x}报警", "{x}，告诉我", "{x}？", "注意：{x}", "要是{x}，马上通知", "{x}就提醒")


def terse(claim: Claim, language: str, rng: np.random.Generator) -> str:
    """The claim in few words, `en` or `zh`."""
    if language == "zh":
        return _any(_ZH_FRAMES, rng).format(x=_told_zh(claim, rng))
    text = _any(_FRAMES, rng).format(x=_told_en(claim, rng))
    return text[:1].upper() + text[1:] if rng.random() < 0.5 else text


def _told_en(claim: Claim, rng: np.random.Generator) -> str:
    if claim.kind == "state":
        return f"{en.STATES[claim.state].ask(rng, held_out=False)}{_lasting_en(claim.seconds, rng)}"
    who = _who_en(claim, rng)
    if claim.kind == "crosses":
        return f"{who} {_any(_OVER_THE_LINE, rng)}"
    if claim.kind == "follows":
        return (
            f"{who if _is_named(claim, rng) else ''} {_any(_TAILGATING, rng)}{_lasting_en(claim.seconds, rng)}".strip()
        )
    place = _any(ZONE_NAMES["en"], rng) if rng.random() < 0.7 else en.MARKED_ZONE.ask(rng, held_out=False)
    held = f" {_any(('with', 'carrying'), rng)} {_any(('a ', ''), rng)}{claim.carrying}" if claim.carrying else ""
    told = f"{who}{_doing_en(claim, rng)}{held}"
    lasting = _lasting_en(claim.seconds, rng)
    if claim.where == "in" and rng.random() < 0.2:
        return f"{place}{_any((': ', ' - ', ', '), rng)}{told}{lasting}"
    if claim.where and not place.startswith("the ") and rng.random() < 0.7:
        place = f"the {place}"
    where = f" {en.WHERE[claim.where].ask(rng, held_out=False)} {place}" if claim.where else ""
    return f"{told}{where}{lasting}"


def _who_en(claim: Claim, rng: np.random.Generator) -> str:
    one, several = en.NOUNS[claim.label]
    if claim.kind == "nobody":
        return _any(_NOBODY if claim.label == "person" else (f"no {one}", f"no {several}", f"not a {one}"), rng)
    if claim.count > 1:
        return f"{_number_en(claim.count, rng)} {several}"
    if claim.action in _AGENTS and claim.label == "person" and rng.random() < 0.3:
        return _any(_AGENTS[claim.action], rng)
    return _any(_SOMEBODY if claim.label == "person" else (one, one, f"a {one}", several), rng)


def _number_en(count: int, rng: np.random.Generator) -> str:
    """Exactly so many, or more than one less, is at least so many."""
    less, many = (str(each) if rng.random() < 0.5 or each > 10 else en.NUMBERS[each] for each in (count - 1, count))
    forms = (many, many, f"more than {less}", f"over {less}", f"{count}+", f"{many} or more", f"at least {many}")
    pairs = ("a pair of", "a couple of", "both") if count == 2 else ()
    return _any((*forms, *pairs), rng)


def _doing_en(claim: Claim, rng: np.random.Generator) -> str:
    if not claim.action:
        return " in view" if rng.random() < 0.1 and not claim.where else ""
    return f" {en.DOING[claim.action].ask(rng, held_out=False)}"


def _lasting_en(seconds: float, rng: np.random.Generator) -> str:
    if not seconds:
        return ""
    if rng.random() < 0.4:
        return f" {en.HOW_LONG.ask(rng, held_out=False).format(f'{seconds:g}')}"
    minutes = int(seconds // 60)
    unit = f"{minutes} min" if rng.random() < 0.4 else f"{minutes} minute{'s' if minutes > 1 else ''}"
    time = unit if _is_minutes(seconds, rng) else f"{seconds:g} {_any(('s', 'sec', 'seconds'), rng)}"
    return " " + _any(("for {}", "> {}", "longer than {}", "over {}", "for more than {}", "{} or longer"), rng).format(
        time
    )


def _told_zh(claim: Claim, rng: np.random.Generator) -> str:
    lasting = _lasting_zh(claim.seconds, rng)
    if claim.kind == "state":
        return zh.STATES[claim.state].ask(rng, held_out=False) + lasting
    if claim.kind == "crosses":
        return _who_zh(claim, rng) + _any(_ZH_OVER, rng)
    if claim.kind == "follows":
        return (_who_zh(claim, rng) if _is_named(claim, rng) else "") + lasting + _any(_ZH_TAILGATING, rng)
    place = _any(ZONE_NAMES["zh"], rng) if rng.random() < 0.7 else zh.MARKED_ZONE.ask(rng, held_out=False)
    where = place + _any(_MEASURED[claim.where], rng) if claim.where else ""
    doing = zh.DOING[claim.action].ask(rng, held_out=False) if claim.action else ""
    is_plain = claim.kind == "does" and claim.count == 1 and not claim.carrying
    if is_plain and doing and claim.label == "person" and rng.random() < 0.12:
        return where + doing + lasting
    if is_plain and doing and claim.label != "person" and rng.random() < 0.3:
        return f"{where}有{doing}的{zh.NOUNS[claim.label][0]}{lasting}"
    return where + _who_zh(claim, rng) + doing + lasting


def _who_zh(claim: Claim, rng: np.random.Generator) -> str:
    noun, measure = zh.NOUNS[claim.label]
    held = f"{_any(_ZH_HELD[claim.carrying], rng)}{zh.NOUNS[claim.carrying][0]}" if claim.carrying else ""
    if claim.kind == "nobody":
        none = _ZH_NOBODY if claim.label == "person" else (f"没有{noun}", f"没{noun}", f"无{noun}")
        return _any(none, rng) + held
    if claim.count > 1:
        less, many = (
            zh.NUMBERS[each] if rng.random() < 0.5 and each <= 10 else str(each)
            for each in (claim.count - 1, claim.count)
        )
        amount = _any((f"有{many}{measure}", f"{many}{measure}", f"超过{less}{measure}", f"至少{many}{measure}"), rng)
        return amount + (f"{held}的{noun}" if held else noun)
    if held:
        return _any((f"{held}的{noun}", f"有{noun}{held}"), rng)
    return _any((f"有{noun}", f"有{noun}", f"有一{measure}{noun}", f"出现{noun}"), rng)


def _lasting_zh(seconds: float, rng: np.random.Generator) -> str:
    if not seconds:
        return ""
    if rng.random() < 0.4:
        return zh.HOW_LONG.ask(rng, held_out=False).format(f"{seconds:g}")
    minutes = int(seconds // 60)
    spelled = zh.NUMBERS[minutes] if minutes < len(zh.NUMBERS) else str(minutes)
    time = f"{_any((str(minutes), spelled), rng)}分钟" if _is_minutes(seconds, rng) else f"{seconds:g}秒"
    return _any(("超过{}", "{}以上", "{}", "满{}", "达{}"), rng).format(time)


def _is_named(claim: Claim, rng: np.random.Generator) -> bool:
    """Whether it is said who follows: of persons it goes without saying."""
    return claim.label != "person" or bool(rng.random() < 0.6)


def _is_minutes(seconds: float, rng: np.random.Generator) -> bool:
    """Whether it is said in minutes: whole ones, mostly."""
    return seconds >= 60 and seconds % 60 == 0 and bool(rng.random() < 0.8)


def _any(of: tuple[str, ...], rng: np.random.Generator) -> str:
    return of[int(rng.integers(len(of)))]
