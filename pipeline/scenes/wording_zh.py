"""Chinese: the words for claims, things, places and what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.contracts.assessment import RelationKind
from pipeline.scenes.wording import Says, Wider, says

if TYPE_CHECKING:
    from pipeline.scenes.claims import Claim

_WIDER = Wider("zh")

ONE: dict[str, Says] = _WIDER.table(
    "ONE",
    {
        "person": says("有人", "有一个人", "有人员", "出现有人", "有任何人"),
        "vehicle": says("有车辆", "有一辆车", "有机动车", "有任何车辆", "有机动车辆"),
        "car": says("有小汽车", "有一辆小汽车", "有轿车", "有一辆轿车", "有小轿车"),
        "truck": says("有卡车", "有一辆卡车", "有货车", "有一辆货车", "有运货的车"),
        "motorcycle": says("有摩托车", "有一辆摩托车", "有摩托", "有任何摩托车", "有机车"),
        "bicycle": says("有自行车", "有一辆自行车", "有单车", "有任何自行车", "有脚踏车"),
        "animal": says("有动物", "有一只动物", "有小动物", "有任何动物", "有活物"),
        "dog": says("有狗", "有一只狗", "有一条狗", "有任何狗", "有犬只"),
        "cat": says("有猫", "有一只猫", "有小猫", "有任何猫", "有猫咪"),
        "bird": says("有鸟", "有一只鸟", "有小鸟", "有任何鸟", "有飞禽"),
        "bag": says("有包裹", "有一件行李", "有行李", "有包袋", "有箱包"),
        "backpack": says("有背包", "有一个背包", "有双肩包", "有任何背包", "有书包"),
        "suitcase": says("有行李箱", "有一个行李箱", "有拉杆箱", "有任何行李箱", "有旅行箱"),
        "handbag": says("有手提包", "有一个手提包", "有手袋", "有任何手提包", "有挎包"),
        "smoke": says("有烟", "有烟雾", "有一股烟", "有浓烟", "有烟气"),
    },
)
"""Label to the ways to say that one of them is there."""
NOUNS: dict[str, tuple[str, str]] = {
    "person": ("人", "个"),
    "vehicle": ("车辆", "辆"),
    "car": ("小汽车", "辆"),
    "truck": ("卡车", "辆"),
    "motorcycle": ("摩托车", "辆"),
    "bicycle": ("自行车", "辆"),
    "animal": ("动物", "只"),
    "dog": ("狗", "只"),
    "cat": ("猫", "只"),
    "bird": ("鸟", "只"),
    "bag": ("箱包", "件"),
    "backpack": ("背包", "个"),
    "suitcase": ("行李箱", "个"),
    "handbag": ("手提包", "个"),
    "smoke": ("烟雾", "股"),
}
"""Label to its noun and the measure word that counts it."""
DOING: dict[str, Says] = _WIDER.table(
    "DOING",
    {
        "walk": says("行走", "走路", "在走动", "步行", "徒步而行", "走着", "走过"),
        "run": says("奔跑", "跑步", "在跑", "快跑", "疾跑", "跑着", "跑过", "跑动", "跑起来", "飞奔"),
        "stand": says("站立", "站着", "站在原地", "站着不走", "伫立", "站在那里"),
        "crouch": says("蹲下或弯腰", "蹲着或弯着腰", "弯腰或下蹲", "俯身或蹲着", "屈身", "蹲下", "弯腰", "蹲着"),
        "sit": says("坐着", "坐下", "坐在那里", "就座", "落座", "坐了下来"),
        "lie": says(
            "躺在地上", "躺倒", "躺着", "倒卧在地", "横卧于地", "倒在地上", "躺在地面", "卧倒", "躺卧", "平躺不起"
        ),
        "fall": says("摔倒", "跌倒", "摔倒在地", "倒下", "跌跤", "滑倒", "摔跤", "跌倒在地", "突然倒地", "栽倒"),
        "climb": says(
            "攀爬", "翻越", "爬过去", "翻墙或翻栏", "攀越", "翻越围栏", "爬围栏", "爬上去", "翻过围栏", "攀援"
        ),
        "fight": says("打架", "斗殴", "动手打人", "互相殴打", "扭打", "打斗", "殴打他人", "打人", "拳打脚踢", "厮打"),
        "greet": says("打招呼", "挥手或握手", "问候别人", "与人打招呼", "寒暄致意", "问好"),
        "cycle": says("骑车", "骑着车", "骑车经过", "骑行", "蹬车或骑乘", "骑着单车或摩托"),
        "drive": says("行驶", "在行驶", "开动", "行进中", "驶动", "开过"),
        "parked": says("停放", "停着", "停在那里", "停着不动", "泊着"),
        "left": says("放在地上", "被放下", "搁在地上", "在地面上", "置于地面"),
        "carried": says("被人带着", "被携带", "有人拿着", "在人身上", "随身被提着"),
        "unattended": says(
            "无人看管",
            "被遗留",
            "被遗弃",
            "主人已离开",
            "遗落无主",
            "无人认领",
            "被人丢下",
            "没有主人",
            "被落下",
            "遭弃置",
        ),
        "wrong_way": says("逆行", "逆向行走", "朝禁止方向移动", "反方向行进", "逆流而行", "走错方向", "逆向移动"),
    },
)
ENTERS = _WIDER.all("ENTERS", says("进入{}", "走进{}", "闯入{}", "来到{}里", "擅入{}"))
"""Being in a zone as rules put it."""
STAYING = _WIDER.all("STAYING", says("停留", "徘徊", "逗留", "滞留", "盘桓"))
"""Nothing in particular, for a while."""
CARRYING = _WIDER.all("CARRYING", says("带着", "拿着", "携带", "身上有", "随身持有"))
WHERE: dict[str, Says] = _WIDER.table(
    "WHERE",
    {
        "in": says("在{}内", "在{}里", "在{}里面", "在{}之内", "身处{}当中"),
        "near": says("在{}附近", "在{}旁边", "靠近{}处", "紧挨着{}外侧", "在{}周边"),
        "outside": says("在{}外", "在{}之外", "在{}外面", "不在{}内", "处于{}以外"),
    },
)
WEARING = says("穿{}色衣服", "身穿{}色", "穿着{}色衣服", "一身{}色", "着{}色装")
MARKED_ZONE = _WIDER.all("MARKED_ZONE", says("区域", "标记区域", "划定区域", "该区域", "圈定范围"))
NAMED_ZONE = _WIDER.all("NAMED_ZONE", says("{}区", "{}区域", "名为“{}”的区域", "{}一带", "标作{}的地方"))
ZONES: dict[str, str] = {
    "area": "布防",
    "fence": "围栏",
    "gate": "大门",
    "door": "门口",
    "far door": "远处门口",
    "counter": "柜台",
    "aisle": "货架过道",
    "sofa": "沙发",
    "carpet": "地毯",
    "desk": "办公桌",
    "rack": "货架",
    "footpath": "人行道",
    "road": "车道",
    "stairs": "楼梯",
    "entrance": "入口",
    "crossing": "斑马线",
    "bay": "停车位",
    "platform": "站台",
    "track": "轨道",
    "lawn": "草坪",
    "dock": "装卸台",
}
"""As operators name them in English, to Chinese."""
UNNAMED_ZONE = "另一"
HOW_LONG = _WIDER.all("HOW_LONG", says("至少{}秒", "{}秒以上", "达到{}秒", "超过{}秒", "持续不少于{}秒"))
HOW_MANY = _WIDER.all(
    "HOW_MANY", says("有至少{}{}{}", "有{}{}或更多{}", "有不少于{}{}{}", "至少出现{}{}{}", "聚有{}{}以上的{}")
)
VISIBLE = _WIDER.all("VISIBLE", says("出现在画面中", "在画面里", "可见", "在镜头里", "出镜"))
CROSSING = _WIDER.all("CROSSING", says("越过界线", "跨过标记线", "穿过界线", "越线", "迈过那条线"))
FOLLOWING = _WIDER.all("FOLLOWING", says(
    "在{}秒内尾随他人越过界线", "在他人之后{}秒内跟着越线", "紧跟他人过线相隔不到{}秒", "尾随过线间隔不超过{}秒",
    "贴身跟随于{}秒内越界",
))  # fmt: skip
NOTHING = _WIDER.all("NOTHING", says("没有{}", "没有任何{}", "没有一{measure}{}", "不见{}", "全无{}"))
STATES: dict[str, Says] = _WIDER.table(
    "STATES",
    {
        "day": says("现在是白天", "画面是白天", "天色明亮", "处于日间", "日光照着现场"),
        "dusk": says("现在是黄昏", "天色变暗", "处于傍晚", "光线昏暗近黄昏", "暮色降临"),
        "infrared": says("画面为红外夜视", "摄像机处于夜视模式", "红外灯已开启", "夜间红外成像", "正以红外补光拍摄"),
        "rain": says("正在下雨", "下着雨", "天气有雨", "雨天", "雨落现场"),
        "fog": says("有雾", "起雾", "天气有雾", "雾天", "雾气弥漫"),
        "covered": says("摄像机被遮挡", "镜头被遮住", "有东西挡住镜头", "画面被遮盖", "镜头遭封堵"),
        "moved": says("摄像机被移动", "摄像机被转向", "镜头朝向改变", "画面角度偏移", "机位遭扭转"),
        "defocused": says("画面失焦", "镜头失去焦点", "画面变模糊", "图像虚焦", "成像不再清晰"),
    },
)
_FULL = _WIDER.all("_FULL", says(
    "{x}", "{x}时报警", "如果{x}请告知", "当{x}时提醒我", "一旦{x}立即示警", "若{x}则通知", "检查是否{x}",
    "请留意是否{x}", "{x}时告警", "凡{x}即刻上报",
))  # fmt: skip
_UNKNOWN = {name: _WIDER.unknown(name) for name in ("doing", "thing", "clause")}
NUMBERS = ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九", "十")


def phrase_zh(claim: Claim, rng: np.random.Generator, held_out: bool) -> str:
    """The claim as a rule's text."""
    if claim.kind == "state":
        clause = STATES[claim.state].ask(rng, held_out)
    else:
        clause = _subject(claim, rng, held_out) + _rest(claim, rng, held_out)
    text = _FULL.ask(rng, held_out).format(x=clause)
    return f"{text}。" if rng.random() < 0.4 else text


def unknown_zh(rng: np.random.Generator, held_out: bool) -> str:
    """A rule about something that no scene can show."""
    kind = ("doing", "thing", "clause")[int(rng.choice(3, p=(0.5, 0.25, 0.25)))]
    told = _UNKNOWN[kind].pick(rng, held_out)
    if kind == "clause" and rng.random() < 0.5:
        return told
    where = WHERE["in"].ask(rng, held_out).format(_zone("zone", rng, held_out)) if rng.random() < 0.3 else ""
    clause = told if kind == "clause" else told + (where or VISIBLE.ask(rng, held_out))
    if kind == "doing":
        clause = ONE["person"].ask(rng, held_out) + where + told
    return _FULL.ask(rng, held_out).format(x=clause)


def _subject(claim: Claim, rng: np.random.Generator, held_out: bool) -> str:
    noun, measure = NOUNS[claim.label]
    if claim.kind == "nobody":
        return NOTHING.ask(rng, held_out).format(noun, measure=measure)
    if claim.count > 1:
        return HOW_MANY.ask(rng, held_out).format(_number(claim.count, rng), measure, noun)
    return ONE[claim.label].ask(rng, held_out)


def _rest(claim: Claim, rng: np.random.Generator, held_out: bool) -> str:
    """Where, with what, what they do, and for how long."""
    if claim.kind == "crosses":
        return CROSSING.ask(rng, held_out)
    if claim.kind == "follows":
        return FOLLOWING.ask(rng, held_out).format(f"{claim.seconds:g}")
    is_plain_in = claim.where == "in" and not claim.action and not claim.carrying and claim.kind == "does"
    is_person = claim.label == "person" and claim.count == 1
    form = WHERE[claim.where] if claim.where else Says(("",))
    if is_plain_in and is_person and not claim.seconds and rng.random() < 0.4:
        form = ENTERS
    where = form.ask(rng, held_out).format(_zone(claim.zone, rng, held_out))
    carrying = f"{CARRYING.ask(rng, held_out)}{NOUNS[claim.carrying][0]}" if claim.carrying else ""
    doing = DOING[claim.action].ask(rng, held_out) if claim.action else ""
    if is_plain_in and is_person and claim.seconds and rng.random() < 0.6:
        doing = STAYING.ask(rng, held_out)
    lasting = HOW_LONG.ask(rng, held_out).format(f"{claim.seconds:g}") if claim.seconds else ""
    rest = where + carrying + doing
    return (rest or VISIBLE.ask(rng, held_out)) + lasting


def _zone(name: str, rng: np.random.Generator, held_out: bool) -> str:
    marked = MARKED_ZONE.ask(rng, held_out)
    return marked if name == "zone" else NAMED_ZONE.ask(rng, held_out).format(ZONES.get(name, UNNAMED_ZONE))


def _number(count: int, rng: np.random.Generator) -> str:
    return NUMBERS[count] if count < len(NUMBERS) and rng.random() < 0.5 else str(count)


PLACES: dict[str, str] = {
    "street": "街道",
    "car_park": "停车场",
    "platform": "铁路站台",
    "yard": "货场院子",
    "park_path": "公园小路",
    "loading_dock": "装卸区",
    "corridor": "走廊",
    "shop": "商店",
    "living_room": "客厅",
    "office": "办公室",
    "warehouse": "仓库",
    "stairs_hall": "楼梯大厅",
}
LIGHTS: dict[str, Says] = {
    "day": says("白天", "日间", "白昼", "日光下", "大白天"),
    "dusk": says("黄昏", "傍晚", "光线昏暗", "天色渐暗", "暮色中"),
    "infrared": says("夜间红外画面", "夜里", "夜视画面", "红外画面", "红外补光下"),
}
WEATHERS: dict[str, str] = {"clear": "", "rain": "雨中", "fog": "雾中"}
COLOURS: dict[str, str] = {
    "red": "红",
    "orange": "橙",
    "yellow": "黄",
    "green": "绿",
    "blue": "蓝",
    "purple": "紫",
    "brown": "棕",
    "white": "白",
    "grey": "灰",
    "black": "黑",
}


def coloured_zh(label: str, colour: str, rng: np.random.Generator, held_out: bool = False) -> str:
    """`穿红色衣服`, `白色`: what stands before 的."""
    return WEARING.pick(rng, held_out).format(COLOURS[colour]) if label == "person" else f"{COLOURS[colour]}色"


def place_zh(name: str) -> str:
    """A kind of place."""
    return PLACES.get(name, "某处")


def named_zh(label: str, colour: str, number: int) -> str:
    """`第二个穿红色衣服的人`, `白色小汽车`."""
    noun, measure = NOUNS.get(label, ("物体", "个"))
    ordinal = "二" if number == 2 else NUMBERS[number] if number < len(NUMBERS) else str(number)
    order = f"第{ordinal}{measure}" if number else ""
    if label == "person":
        return f"{order}穿{COLOURS[colour]}色衣服的人" if colour else f"{order or '那个'}人"
    return f"{order}{COLOURS[colour] + '色' if colour else ''}{noun}"


def count_zh(label: str, count: int) -> str:
    """`一个人`, `三个人`, `12辆小汽车`."""
    noun, measure = NOUNS[label]
    return f"{NUMBERS[count] if count < len(NUMBERS) else count}{measure}{noun}"


def joined_zh(parts: list[str]) -> str:
    """`甲、乙和丙`."""
    return parts[0] if len(parts) == 1 else f"{'、'.join(parts[:-1])}和{parts[-1]}"


ASKS: dict[str, Says] = {
    "how_many": says("有几个人？", "能看到多少人？", "画面中有几个人？", "一共有多少人？", "请数出人数。"),
    "does": says(
        "第{frame}张图里{who}在做什么？",
        "{who}在第{frame}张图里做什么？",
        "第{frame}张图中{who}的动作是什么？",
        "请描述{who}在第{frame}张图里的动作。",
        "{who}于第{frame}张图忙于何事？",
    ),
    "stands": says(
        "第{frame}张图里{who}与周围是什么关系？",
        "{who}在第{frame}张图里的位置关系是什么？",
        "第{frame}张图中{who}和其他对象有什么关系？",
        "{who}在第{frame}张图里与什么有关？",
        "第{frame}张图内{who}跟场景怎样相连？",
    ),
    "why": says("为什么要上报？", "这里有什么问题？", "为什么报警？", "采取行动的原因是什么？", "请说明示警依据。"),
    "why_not": says(
        "为什么不报警？", "为什么不用上报？", "为什么没有危险？", "为什么一切正常？", "请说明无需理会的依据。"
    ),
    "next": says("接下来会怎样？", "之后可能发生什么？", "下一步会发生什么？", "预计会怎样？", "请推测后续。"),
}
TARGETS: dict[str, str] = {"zone": "区域", "line": "界线", "fence": "围栏"}
RELATIONS: dict[RelationKind, str] = {
    RelationKind.INSIDE: "在{}内",
    RelationKind.OUTSIDE: "在{}外",
    RelationKind.NEXT_TO: "在{}旁边",
    RelationKind.ENTERS: "进入{}",
    RelationKind.LEAVES: "离开{}",
    RelationKind.CLIMBS: "翻越{}",
    RelationKind.CARRIES: "带着{}",
    RelationKind.PUTS_DOWN: "放下{}",
    RelationKind.PICKS_UP: "拿起{}",
    RelationKind.AWAY_FROM: "远离{}",
    RelationKind.RIDES: "骑着{}",
    RelationKind.FOLLOWS: "跟着{}",
    RelationKind.HITS: "殴打{}",
    RelationKind.TALKS_TO: "问候{}",
}
"""Of the kinds that stories have."""
