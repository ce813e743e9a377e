"""English: the words for claims, things, places and what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.scenes.wording import Says, Wider, says

if TYPE_CHECKING:
    from pipeline.scenes.claims import Claim

_WIDER = Wider("en")

ONE: dict[str, Says] = _WIDER.table(
    "ONE",
    {
        "person": says("a person", "somebody", "someone", "a human being", "an individual", "any person"),
        "vehicle": says("a vehicle", "any vehicle", "some vehicle", "a motor vehicle", "a vehicle of any kind"),
        "car": says("a car", "any car", "a passenger car", "some car", "an automobile"),
        "truck": says("a truck", "a lorry", "a lorry or van", "any truck", "a goods vehicle"),
        "motorcycle": says("a motorcycle", "a motorbike", "any motorcycle", "some motorcycle", "a powered two-wheeler"),
        "bicycle": says("a bicycle", "any bicycle", "a push bike", "some bicycle", "a pedal cycle"),
        "animal": says("an animal", "any animal", "some animal", "a living animal", "a creature"),
        "dog": says("a dog", "any dog", "some dog", "a dog of any breed", "a hound"),
        "cat": says("a cat", "any cat", "some cat", "a domestic cat", "a feline"),
        "bird": says("a bird", "any bird", "some bird", "a bird of any kind", "a feathered animal"),
        "bag": says("a bag", "a piece of luggage", "any bag", "some luggage", "a piece of baggage"),
        "backpack": says("a backpack", "a rucksack", "any backpack", "some backpack", "a knapsack"),
        "suitcase": says("a suitcase", "a trolley case", "any suitcase", "some suitcase", "a travel case"),
        "handbag": says("a handbag", "a shoulder bag", "any handbag", "some handbag", "a lady's purse"),
        "smoke": says("smoke", "a cloud of smoke", "some smoke", "rising smoke", "a plume of smoke"),
    },
)
"""Label to the ways to speak of one of them."""
NOUNS: dict[str, tuple[str, str]] = {
    "person": ("person", "people"),
    "vehicle": ("vehicle", "vehicles"),
    "car": ("car", "cars"),
    "truck": ("truck", "trucks"),
    "motorcycle": ("motorcycle", "motorcycles"),
    "bicycle": ("bicycle", "bicycles"),
    "animal": ("animal", "animals"),
    "dog": ("dog", "dogs"),
    "cat": ("cat", "cats"),
    "bird": ("bird", "birds"),
    "bag": ("bag", "bags"),
    "backpack": ("backpack", "backpacks"),
    "suitcase": ("suitcase", "suitcases"),
    "handbag": ("handbag", "handbags"),
    "smoke": ("smoke", "clouds of smoke"),
}
"""Label to one and several of them."""
DOING: dict[str, Says] = _WIDER.table("DOING", {
    "walk": says(
        "walking", "going on foot", "walking along", "walking at an ordinary pace", "strolling", "on a walk",
        "walking through", "walking about", "moving at walking pace", "ambling along",
    ),
    "run": says(
        "running", "moving at a run", "running fast", "running along", "sprinting", "on the run", "running through",
        "rushing at a run", "jogging or running", "dashing along",
    ),
    "stand": says("standing", "standing on the spot", "standing there", "standing around", "upright on one spot"),
    "crouch": says(
        "crouching", "crouching or bending down", "squatting", "bent down low", "hunkering down", "crouched",
        "stooping or crouching", "bending over", "down on the heels or bent over", "ducking low",
    ),
    "sit": says(
        "sitting", "seated", "sitting down", "sitting there", "taking a seat", "sitting on something", "seated there",
    ),
    "lie": says(
        "lying on the ground", "lying down", "lying there", "lying on the floor", "stretched out flat",
        "lying flat", "lying on the ground at full length", "lying stretched out", "lying", "prostrate",
    ),
    "fall": says(
        "falling", "falling down", "falling over", "falling to the ground", "tumbling over", "collapsing",
        "going down in a fall", "taking a fall", "slipping and falling", "keeling over",
    ),
    "climb": says(
        "climbing", "climbing over something", "climbing up", "climbing over a fence", "clambering over it",
        "climbing the fence", "climbing over the fence", "getting over the fence", "scaling a fence",
        "vaulting a barrier",
    ),
    "fight": says(
        "fighting", "in a fight", "hitting somebody", "fighting with somebody", "coming to blows", "brawling",
        "punching or kicking somebody", "attacking somebody", "beating somebody", "exchanging punches",
    ),
    "greet": says(
        "greeting somebody", "waving or shaking hands", "saying hello", "greeting", "exchanging greetings",
        "welcoming somebody", "greeting a friend",
    ),
    "cycle": says(
        "cycling", "riding a bike", "riding along on a bike", "riding", "pedalling or riding on two wheels",
        "on a bike", "riding through on a bike",
    ),
    "drive": says("driving", "driving along", "on the move", "moving under its own power", "rolling along"),
    "parked": says("parked", "parked there", "standing parked", "not moving", "stationary"),
    "left": says(
        "put down", "standing on the ground", "placed on the ground", "set on the ground", "resting on the floor"
    ),
    "carried": says("being carried", "carried by somebody", "in use by its bearer", "carried along", "hand-held"),
    "unattended": says(
        "left behind", "left unattended", "abandoned", "without its owner", "forsaken by its owner", "unattended",
        "left alone", "that nobody looks after", "left by its owner", "ownerless",
    ),
    "wrong_way": says(
        "going the wrong way", "moving against the permitted direction", "going against the flow",
        "going in the forbidden direction", "heading opposite to everyone", "moving the wrong way",
        "going in the wrong direction",
    ),
})  # fmt: skip
"""Action of a claim to a participle that may follow `is` or a noun."""
DOES: dict[str, Says] = _WIDER.table("DOES", {
    "walk": says("walks", "walks along", "goes on foot", "walks through", "strolls"),
    "run": says("runs", "runs along", "runs fast", "starts running", "sprints"),
    "stand": says("stands", "stands there", "stands on the spot", "stands around", "stays upright on one spot"),
    "crouch": says("crouches", "bends down or crouches", "squats", "bends down low", "hunkers down"),
    "sit": says("sits", "sits down", "sits there", "is sitting", "takes a seat"),
    "lie": says("lies on the ground", "lies down", "lies on the floor", "lies there", "is stretched out flat"),
    "fall": says("falls", "falls down", "falls over", "falls to the ground", "tumbles over", "collapses"),
    "climb": says(
        "climbs over the fence", "climbs the fence", "climbs", "climbs over something", "clambers over it"
    ),
    "fight": says("fights", "hits somebody", "fights with somebody", "attacks somebody", "comes to blows"),
    "greet": says("greets somebody", "waves or shakes hands", "says hello", "greets", "exchanges greetings"),
    "cycle": says("cycles", "rides a bike", "rides along on a bike", "rides", "pedals or rides on two wheels"),
    "drive": says("drives", "drives along", "moves under its own power", "is driving", "rolls along"),
    "wrong_way": says(
        "goes the wrong way", "moves against the permitted direction", "goes against the flow",
        "goes in the forbidden direction", "heads opposite to everyone",
    ),
})  # fmt: skip
"""The same as a verb, of one of them."""
ENTERS = _WIDER.all(
    "ENTERS", says("enters {}", "goes into {}", "walks into {}", "gets into {}", "trespasses in {}", "comes into {}")
)
"""Being in a zone as rules put it."""
STAYING = _WIDER.all(
    "STAYING", says("staying", "loitering", "waiting", "hanging around", "lingering", "remaining", "loafing about")
)
"""Nothing in particular, for a while."""
NAMED: dict[str, Says] = _WIDER.table("NAMED", {
    "fight": says("a fight", "a brawl", "violence", "people fighting", "a scuffle", "an assault"),
    "fall": says("a fall", "a person's fall", "an accidental fall", "somebody's fall", "a tumble"),
    "run": says("a running person", "a runner", "somebody's run", "people running", "a sprint"),
    "climb": says("a climber at the fence", "climbing", "people climbing", "a person's climb", "a scramble upward"),
    "wrong_way": says(
        "movement in the wrong direction", "wrong-way movement", "a wrong-way walker", "people going the wrong way",
        "a counterflow",
    ),
})  # fmt: skip
"""What a person does, as a noun."""
CARRYING = _WIDER.all("CARRYING", says("carrying", "with", "holding", "who has", "in possession of"))
WHERE: dict[str, Says] = _WIDER.table(
    "WHERE",
    {
        "in": says("in", "inside", "within", "somewhere in", "in the bounds of"),
        "near": says("near", "close to", "right beside", "just outside", "in the vicinity of"),
        "outside": says("outside", "not in", "elsewhere than in", "away from", "beyond"),
    },
)
WEARING = says("in {}", "wearing {}", "dressed in {}", "in {} clothes", "clad in {}")
MARKED_ZONE = _WIDER.all(
    "MARKED_ZONE", says("the zone", "the marked zone", "the marked area", "the area", "the outlined region")
)
NAMED_ZONE = _WIDER.all(
    "NAMED_ZONE", says("the {} zone", "the {} area", "the zone '{}'", "the area at the {}", "the part named {}")
)
HOW_LONG = _WIDER.all("HOW_LONG", says(
    "for at least {} seconds", "for {} seconds or more", "for {} seconds or longer", "for more than {} seconds",
    "lasting no less than {} seconds",
))  # fmt: skip
HOW_MANY = _WIDER.all(
    "HOW_MANY",
    says("at least {} {}", "{} or more {}", "a group of {} or more {}", "{} {} or more", "no fewer than {} {}"),
)
VISIBLE = _WIDER.all("VISIBLE", says("in the picture", "in view", "visible", "in the scene", "on camera"))
CROSSING = _WIDER.all("CROSSING", says(
    "crossing the line", "crossing the marked line", "stepping over the line", "going across the line",
    "passing over the line",
))  # fmt: skip
FOLLOWING = _WIDER.all("FOLLOWING", says(
    "following another across the line within {} seconds", "tailgating another at the line within {} seconds",
    "slipping across the line within {} seconds of another", "crossing the line less than {} seconds behind another",
    "sneaking in behind another at the line within {} seconds",
))  # fmt: skip
NOTHING = _WIDER.all("NOTHING", says("no {}", "not a single {}", "no {} at all", "not one {}", "zero sign of a {}"))
STATES: dict[str, Says] = _WIDER.table("STATES", {
    "day": says("it is day", "the scene is in daylight", "it is light outside", "it is daytime", "the sun is up"),
    "dusk": says("it is dusk", "it is getting dark", "the light is fading", "it is twilight", "night is falling"),
    "infrared": says(
        "the picture is infra-red", "the camera is in night mode", "night vision is on", "the picture is grey by night",
        "the IR lamps are in use",
    ),
    "rain": says("it rains", "it is raining", "rain is falling", "the weather is rainy", "there is a downpour"),
    "fog": says("it is foggy", "there is fog", "the scene is in fog", "the weather is foggy", "mist hangs over it all"),
    "covered": says(
        "the camera is covered", "the lens is covered", "something covers the camera", "the view is covered up",
        "the lens has been blocked",
    ),
    "moved": says(
        "the camera was moved", "the camera has been turned", "the camera points elsewhere than before",
        "the view has shifted for good", "someone twisted the camera away",
    ),
    "defocused": says(
        "the picture is out of focus", "the camera has lost its focus", "the picture has become blurred",
        "the camera is defocused", "everything has gone unsharp",
    ),
})  # fmt: skip
_FULL = _WIDER.all("_FULL", says(
    "{s} {is} {rest}", "alert when {s} {is} {rest}", "tell me if {s} {is} {rest}", "alarm if {s} {is} {rest}",
    "raise the alarm as soon as {s} {is} {rest}", "notify me when {s} {is} {rest}", "check whether {s} {is} {rest}",
    "I want to know when {s} {is} {rest}", "warn the guard if {s} {is} {rest}", "sound off once {s} {is} {rest}",
))  # fmt: skip
_SHORT = _WIDER.all("_SHORT", says(
    "{s} {rest}", "report {s} {rest}", "look out for {s} {rest}", "watch for {s} {rest}", "any trace of {s} {rest}",
    "detect {s} {rest}", "do you see {s} {rest}?", "{is} there {s} {rest}?", "spot {s} {rest}",
    "keep your eyes open for {s} {rest}",
))  # fmt: skip
_FINITE = _WIDER.all("_FINITE", says(
    "{s} {rest}", "alert when {s} {rest}", "tell me if {s} {rest}", "{s} {rest} here",
    "raise the alarm as soon as {s} {rest}", "when {s} {rest}", "notify me when {s} {rest}", "alarm if {s} {rest}",
    "check whether {s} {rest}", "sound off once {s} {rest}",
))  # fmt: skip
_NOUN = _WIDER.all(
    "_NOUN",
    says("{x}", "alert on {x}", "look out for {x}", "report {x}", "any trace of {x}", "detect {x}", "watch for {x}"),
)
_CLAUSE = _WIDER.all("_CLAUSE", says(
    "{x}", "alert when {x}", "tell me if {x}", "check whether {x}", "raise the alarm as soon as {x}", "alarm if {x}",
    "notify me when {x}",
))  # fmt: skip
_UNKNOWN = {name: _WIDER.unknown(name) for name in ("doing", "thing", "clause")}
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def phrase_en(claim: Claim, rng: np.random.Generator, held_out: bool) -> str:
    """The claim as a rule's text."""
    if claim.kind == "state":
        return _written(_CLAUSE.ask(rng, held_out).format(x=STATES[claim.state].ask(rng, held_out)), rng)
    if claim.action in NAMED and _is_plain(claim) and rng.random() < 0.15:
        return _written(_NOUN.ask(rng, held_out).format(x=NAMED[claim.action].ask(rng, held_out)), rng)
    subject = _subject(claim, rng, held_out)
    finite = _finite(claim, rng, held_out) if rng.random() < 0.4 else ""
    form = _FINITE if finite else _FULL if claim.kind == "nobody" or rng.random() < 0.6 else _SHORT
    filled = form.ask(rng, held_out).replace("{is}", "are" if claim.count > 1 else "is").replace("{s}", subject)
    return _written(filled.replace("{rest}", finite or _rest(claim, rng, held_out)), rng)


def unknown_en(rng: np.random.Generator, held_out: bool) -> str:
    """A rule about something that no scene can show."""
    kind = ("doing", "thing", "clause")[int(rng.choice(3, p=(0.5, 0.25, 0.25)))]
    told = _UNKNOWN[kind].pick(rng, held_out)
    if kind == "clause":
        return told if rng.random() < 0.5 else _written(_CLAUSE.ask(rng, held_out).format(x=told), rng)
    subject = told if kind == "thing" else ONE["person"].ask(rng, held_out)
    where = f"{WHERE['in'].ask(rng, held_out)} {_zone('zone', rng, held_out)}" if rng.random() < 0.3 else ""
    doing = told if kind == "doing" else "" if where else VISIBLE.ask(rng, held_out)
    form = _FULL if rng.random() < 0.5 else _SHORT
    filled = form.ask(rng, held_out).replace("{is}", "is").replace("{s}", subject)
    return _written(filled.replace("{rest}", f"{doing} {where}".strip()), rng)


def _finite(claim: Claim, rng: np.random.Generator, held_out: bool) -> str:
    """What one of them does, with a verb; "" where there is none for it."""
    if claim.kind != "does" or claim.count > 1:
        return ""
    if claim.action in DOES:
        return " ".join([DOES[claim.action].ask(rng, held_out), *_around(claim, rng, held_out)])
    is_entry = claim.where == "in" and not claim.action and not claim.carrying and not claim.seconds
    if is_entry and claim.label in ("person", "vehicle", "car", "truck", "animal", "dog", "cat"):
        return ENTERS.ask(rng, held_out).format(_zone(claim.zone, rng, held_out))
    return ""


def _subject(claim: Claim, rng: np.random.Generator, held_out: bool) -> str:
    one, several = NOUNS[claim.label]
    if claim.kind == "nobody":
        return NOTHING.ask(rng, held_out).format(one)
    if claim.count > 1:
        return HOW_MANY.ask(rng, held_out).format(_number(claim.count, rng), several)
    return ONE[claim.label].ask(rng, held_out)


def _rest(claim: Claim, rng: np.random.Generator, held_out: bool) -> str:
    """What they do, with what, where, and for how long."""
    if claim.kind == "crosses":
        return CROSSING.ask(rng, held_out)
    if claim.kind == "follows":
        return FOLLOWING.ask(rng, held_out).format(f"{claim.seconds:g}")
    parts = [DOING[claim.action].ask(rng, held_out)] if claim.action else []
    if not parts and claim.seconds and claim.label == "person" and claim.where == "in" and rng.random() < 0.6:
        parts = [STAYING.ask(rng, held_out)]
    around = _around(claim, rng, held_out)
    if not claim.action and not claim.carrying and not claim.where:
        parts = [VISIBLE.ask(rng, held_out)]
    return " ".join([*parts, *around])


def _around(claim: Claim, rng: np.random.Generator, held_out: bool) -> list[str]:
    """With what, where, and for how long."""
    parts = []
    if claim.carrying:
        parts.append(f"{CARRYING.ask(rng, held_out)} {one_en(claim.carrying, rng, held_out)}")
    if claim.where:
        parts.append(f"{WHERE[claim.where].ask(rng, held_out)} {_zone(claim.zone, rng, held_out)}")
    if claim.seconds:
        parts.append(HOW_LONG.ask(rng, held_out).format(f"{claim.seconds:g}"))
    return parts


def _is_plain(claim: Claim) -> bool:
    """A person's action and nothing else."""
    rest = (claim.carrying, claim.where, claim.seconds)
    return claim.kind == "does" and claim.label == "person" and claim.count == 1 and not any(rest)


def _zone(name: str, rng: np.random.Generator, held_out: bool) -> str:
    marked = MARKED_ZONE.ask(rng, held_out)
    return marked if name == "zone" else NAMED_ZONE.ask(rng, held_out).format(name.replace("_", " "))


def _number(count: int, rng: np.random.Generator) -> str:
    return NUMBERS[count] if count < len(NUMBERS) and rng.random() < 0.5 else str(count)


def _written(text: str, rng: np.random.Generator) -> str:
    """As people type: with a capital and a full stop, or without."""
    if rng.random() < 0.5:
        return text
    return text[:1].upper() + text[1:] + ("" if text.endswith("?") else ".")


PLACES: dict[str, str] = {
    "street": "a street",
    "car_park": "a car park",
    "platform": "a railway platform",
    "yard": "a depot yard",
    "park_path": "a path in a park",
    "loading_dock": "a loading dock",
    "corridor": "a corridor",
    "shop": "a shop",
    "living_room": "a living room",
    "office": "an office",
    "warehouse": "a warehouse",
    "stairs_hall": "a hall with stairs",
}
LIGHTS: dict[str, Says] = {
    "day": says("by day", "in daylight", "on a day", "during the day", "in the daytime"),
    "dusk": says("at dusk", "in fading light", "in the evening", "in low light", "at nightfall"),
    "infrared": says(
        "by night, in infra-red", "at night", "in night vision", "in an infra-red picture", "under IR lamps"
    ),
}
WEATHERS: dict[str, str] = {"clear": "", "rain": "in the rain", "fog": "in fog"}
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def one_en(label: str, rng: np.random.Generator, held_out: bool = False) -> str:
    """One of them, as seen and not as asked for: never `any`."""
    return Says(tuple(each for each in ONE[label].usual if not each.startswith("any ")), ONE[label].held_out).pick(
        rng, held_out
    )


def coloured_en(label: str, colour: str, rng: np.random.Generator, held_out: bool = False) -> str:
    """`a person wearing red`, `a white car`; without a colour as `one_en`."""
    if colour and label == "person":
        return f"{one_en(label, rng, held_out)} {WEARING.pick(rng, held_out).format(colour)}"
    return (
        f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {NOUNS[label][0]}"
        if colour
        else one_en(label, rng, held_out)
    )


def place_en(name: str) -> str:
    """A kind of place, with its article."""
    return PLACES.get(name, "a place")


def named_en(label: str, colour: str, number: int) -> str:
    """`the second person in red`, `the white car`."""
    noun = NOUNS[label][0] if label in NOUNS else label
    order = f"{_ORDINALS[number] if number < len(_ORDINALS) else f'{number}th'} " if number else ""
    if label == "person":
        return f"the {order}{noun} in {colour}" if colour else f"the {order}{noun}"
    return f"the {order}{colour + ' ' if colour else ''}{noun}"


def count_en(label: str, count: int) -> str:
    """`a person`, `three people`, `12 cars`."""
    if count == 1:
        return ONE[label].usual[0]
    return f"{NUMBERS[count] if count < len(NUMBERS) else count} {NOUNS[label][1]}"


def joined_en(parts: list[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


ASKS: dict[str, Says] = {
    "how_many": says(
        "How many people are there?", "How many people can you see?", "How many persons are in the picture?",
        "What is the number of people?", "Count the people you can make out.",
    ),
    "does": says(
        "What is {who} doing in picture {frame}?", "What does {who} do in picture {frame}?",
        "In picture {frame}, what is {who} doing?", "Describe what {who} does in picture {frame}.",
        "In picture {frame}, {who} is busy with what?",
    ),
    "stands": says(
        "How does {who} stand to the rest in picture {frame}?", "Where is {who} in picture {frame}, or with what?",
        "What is the relation of {who} to others in picture {frame}?", "To what is {who} related in picture {frame}?",
        "In picture {frame}, how is {who} connected to the scene?",
    ),
    "why": says(
        "Why should this be reported?", "What is wrong here?", "Why is this an alarm?", "What is the reason to act?",
        "Give the grounds for raising the alarm.",
    ),
    "why_not": says(
        "Why is this no alarm?", "Why need this not be reported?", "What makes this harmless?", "Why is nothing wrong?",
        "Give the grounds for staying calm.",
    ),
    "next": says(
        "What may happen next?", "What comes next?", "What is likely to happen now?", "What do you expect to follow?",
        "Tell the probable continuation.",
    ),
}  # fmt: skip
TARGETS: dict[str, str] = {"zone": "the zone", "line": "the line", "fence": "the fence"}
