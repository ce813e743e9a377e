"""How good the clip stage is, on people, moments and places that training never meets.

In: the networks and samples; rules as they are meant, or as a reader understands some words for them. Out: figures.
`accuracy` and `auc` are over rules whose truth is yes or no, by P(yes) against P(no); `near_miss_pairs` is over the
rule for a clip's own situation, on situations and on their near misses by themselves, so that always saying yes gives
one half; `events` are recalls at the threshold that 5 % of the clips without that situation pass; `ordinary` is how
often the rules for situations are confirmed (P(yes) of half or more) on clips in which nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import one_hot

from pipeline.models.claim_parts import CLAIM_PARTS, PART_SIZES
from pipeline.models.clip_eyes import batch_of
from pipeline.models.clip_model import ClipNetworks
from pipeline.models.clip_network import RuleBatch
from pipeline.models.report_language import SITUATIONS, Present, ReportPlan, decode
from pipeline.models.training.clip_samples import CANNOT, NO, UNTOLD, YES, AskedRule, ClipSample
from pipeline.scenes.claims import MAIN, Claim

_BATCH = 24
_FALSE_POSITIVES = 0.05
_TEMPERATURES = np.geomspace(0.3, 4.0, 40)
_CONFIRMED = 0.5
NOT_SHOWN = 0
"""Of a sample's situations."""
_NUM_REPORTS = 60
"""Reports are written one by one, token by token."""
Floats = NDArray[np.float64]
Read = Callable[[Sequence[AskedRule]], RuleBatch]
"""Rules as a network takes them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Every rule of every sample, in order, and every clip."""

    samples: Sequence[ClipSample]
    rules: list[tuple[int, AskedRule]]
    """With the sample's index."""
    logits: Floats
    """(rules, 3)."""
    situations: Floats
    """(samples, len(SITUATIONS)): logits."""

    def probabilities(self, temperature: float) -> Floats:
        """(rules, 3)."""
        scaled = self.logits / temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        shares: Floats = powers / powers.sum(axis=1, keepdims=True)
        return shares


def as_meant(rules: Sequence[AskedRule]) -> RuleBatch:
    """Rules read without a mistake."""
    parts = torch.tensor([rule.parts for rule in rules])
    read = [one_hot(parts[:, number], size).float() for number, size in enumerate(PART_SIZES)]
    return RuleBatch(torch.cat(read, -1), torch.tensor([rule.seconds for rule in rules]))


@torch.inference_mode()
def judge(networks: ClipNetworks, samples: Sequence[ClipSample], read: Read = as_meant) -> Judged:
    """The networks' answers."""
    network = networks.network.eval()
    device = next(network.parameters()).device
    rules, logits, situations = [], [], []
    for first in range(0, len(samples), _BATCH):
        part = samples[first : first + _BATCH]
        asked = [(index, rule) for index, sample in enumerate(part) for rule in sample.rules]
        seen = network.see(batch_of([sample.seen for sample in part]).to(device))
        rows = torch.tensor([index for index, _ in asked], device=device)
        verdicts, _ = network.judged(seen.select(rows), read([rule for _, rule in asked]).to(device))
        rules += [(first + index, rule) for index, rule in asked]
        logits.append(verdicts.double().cpu().numpy())
        situations.append(network.situations(seen).double().cpu().numpy())
    return Judged(samples, rules, np.concatenate(logits), np.concatenate(situations))


def fitted_temperature(networks: ClipNetworks, samples: Sequence[ClipSample]) -> float:
    """The temperature under which the truth of the samples' rules is likeliest."""
    judged = judge(networks, samples)
    truth = np.array([rule.truth for _, rule in judged.rules])
    rows = np.arange(len(truth))
    losses = [-np.log(judged.probabilities(each)[rows, truth] + 1e-9).mean() for each in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def evaluate_clips(
    networks: ClipNetworks,
    samples: Sequence[ClipSample],
    *,
    read: Read = as_meant,
    temperature: float = 1.0,
    with_reports: bool = False,
) -> dict[str, Any]:
    """Figures in words for the log, the card and the benchmark."""
    judged = judge(networks, samples, read)
    shares = judged.probabilities(temperature)
    figures = {
        "clips": len(samples),
        "rules": len(judged.rules),
        "temperature": round(temperature, 3),
        "verdicts": _verdicts(judged, shares),
        "near_miss_pairs": _near_misses(judged, shares),
        "events": _events(judged),
        "ordinary": _ordinary(networks, samples, temperature, read),
        "calibration_error": _calibration_error(judged, shares),
    }
    return figures | ({"reports": _reports(networks, samples, read)} if with_reports else {})


def _verdicts(judged: Judged, shares: Floats) -> dict[str, Any]:
    truth = np.array([rule.truth for _, rule in judged.rules])
    lean = shares[:, YES] / (shares[:, YES] + shares[:, NO] + 1e-9)
    told = truth != CANNOT
    groups = {
        f"kind {kind}": [rule.parts[0] == index for _, rule in judged.rules]
        for index, kind in enumerate(CLAIM_PARTS["kind"])
    }
    subjects = sorted({rule.about for _, rule in judged.rules if rule.about})
    groups |= {f"about {subject}": [rule.about == subject for _, rule in judged.rules] for subject in subjects}
    return {
        "accuracy": _accuracy(lean, truth, told),
        "auc": auc(lean[told], truth[told] == YES),
        "recall_at_5_percent_false": _recall(lean[told], truth[told] == YES),
        "cannot_tell_auc": auc(shares[:, CANNOT], truth == CANNOT),
        "by_group": {
            name: {"accuracy": _accuracy(lean, truth, told & np.array(of)), "of": int((told & np.array(of)).sum())}
            for name, of in groups.items()
            if (told & np.array(of)).any()
        },
    }


def _near_misses(judged: Judged, shares: Floats) -> dict[str, Any]:
    """Of the own rule: balanced over yes and no, and over situations."""
    right: dict[str, dict[int, list[bool]]] = {}
    for (index, rule), row in zip(judged.rules, shares, strict=True):
        if rule.is_own and rule.truth != CANNOT:
            said = YES if row[YES] >= row[NO] else NO
            each = right.setdefault(judged.samples[index].situation, {YES: [], NO: []})
            each[rule.truth].append(said == rule.truth)
    by_situation = {
        name: {
            "accuracy": _rounded(np.mean([np.mean(found) for found in each.values() if found])),
            "of": sum(map(len, each.values())),
        }
        for name, each in sorted(right.items())
    }
    figures = [each["accuracy"] for each in by_situation.values()]
    return {"accuracy": _rounded(np.mean(figures)) if figures else None, "by_situation": by_situation}


def _events(judged: Judged) -> dict[str, Any]:
    """By the situations' own logits."""
    truths = np.array([sample.situations for sample in judged.samples])
    found = {}
    for index, name in enumerate(SITUATIONS):
        told = truths[:, index] != UNTOLD
        is_so = truths[told, index] == 1
        if is_so.any() and not is_so.all():
            logits = judged.situations[told, index]
            found[name] = {"recall": _recall(logits, is_so), "auc": auc(logits, is_so), "of": int(is_so.sum())}
    recalls = [each["recall"] or 0.0 for name, each in found.items() if name != "ordinary"]
    return {"mean_recall": _rounded(np.mean(recalls)) if recalls else None, "by_class": found}


def _ordinary(networks: ClipNetworks, samples: Sequence[ClipSample], temperature: float, read: Read) -> dict[str, Any]:
    """The rule for each situation, asked of clips in which none of them happens."""
    calm = [
        replace(sample, rules=tuple(AskedRule(claim, NO, is_own=False) for claim in claims))
        for sample in samples
        if sample.situation == "ordinary" and (claims := _askable(sample))
    ]
    if not calm:
        return {"false_positives": None, "of": 0}
    confirmed = judge(networks, calm, read).probabilities(temperature)[:, YES] >= _CONFIRMED
    return {"false_positives": _rounded(confirmed.mean()), "of": len(confirmed)}


def _askable(sample: ClipSample) -> list[Claim]:
    """The situations' claims that are known not to hold of a clip."""
    has_zone = bool(sample.seen.clip_numbers[2])
    told = zip(SITUATIONS, sample.situations, strict=True)
    calm = [MAIN[name] for name, is_so in told if name in MAIN and is_so == NOT_SHOWN]
    return [claim for claim in calm if has_zone or not claim.where]


def _calibration_error(judged: Judged, shares: Floats) -> float:
    """Expected calibration error of the likeliest answer, ten bins."""
    truth = np.array([rule.truth for _, rule in judged.rules])
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == truth
    bins = np.minimum((sure * 10).astype(int), 9)
    errors = [abs(sure[bins == each].mean() - right[bins == each].mean()) * (bins == each).mean() for each in set(bins)]
    return _rounded(sum(errors))


@torch.inference_mode()
def _reports(networks: ClipNetworks, samples: Iterable[ClipSample], read: Read) -> dict[str, Any]:
    """What is written of clips that have a report, asked with the first rule that holds."""
    network, decoder = networks.network.eval(), networks.decoder.eval()
    device = next(network.parameters()).device
    scores: list[dict[str, float]] = []
    for sample in [each for each in samples if each.report][:_NUM_REPORTS]:
        rule = next((rule for rule in sample.rules if rule.truth == YES), sample.rules[0])
        seen = network.see(batch_of([sample.seen]).to(device))
        _, about = network.judged(seen, read([rule]).to(device))
        counts = sample.seen.region_mask.sum(axis=1)[sample.seen.frame_mask]
        has_zone = bool(sample.seen.clip_numbers[2])
        written = decode(decoder.write(about, Present(tuple(int(count) for count in counts), has_zone)))
        scores.append(_scored(written, decode(sample.report)))
    return {name: _rounded(np.mean([each[name] for each in scores])) for name in (scores[0] if scores else {})}


def _scored(written: ReportPlan, truth: ReportPlan) -> dict[str, float]:
    """F1 of names, relations and actions as sets, each with the names of whom they are about."""
    return {
        "tale": float(written.tale == truth.tale),
        "elements_f1": _f1(_elements(written), _elements(truth)),
        "relations_f1": _f1(_relations(written), _relations(truth)),
        "actions_f1": _f1(_actions(written), _actions(truth)),
    }


def _elements(plan: ReportPlan) -> list[str]:
    return [element.name for element in plan.elements]


def _relations(plan: ReportPlan) -> list[str]:
    names = [*_elements(plan), "<zone>"]
    return [f"{names[each.subject]} {each.kind} {names[each.object]}" for each in plan.relations]


def _actions(plan: ReportPlan) -> list[str]:
    return [f"{plan.elements[each.who].name} {each.what}" for each in plan.actions]


def _f1(found: list[str], truth: list[str]) -> float:
    """Of multisets; 1 when both are empty."""
    rest, shared = list(truth), 0
    for each in found:
        if each in rest:
            rest.remove(each)
            shared += 1
    return 2 * shared / (len(found) + len(truth)) if found or truth else 1.0


def auc(scores: Floats, is_so: NDArray[np.bool_]) -> float | None:
    """Probability that a true one scores above a false one; None without both."""
    if is_so.all() or not is_so.any():
        return None
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for value in np.unique(scores):
        same = scores == value
        ranks[same] = ranks[same].mean()
    positives = int(is_so.sum())
    above = ranks[is_so].sum() - positives * (positives + 1) / 2
    return _rounded(above / (positives * (len(scores) - positives)))


def _recall(scores: Floats, is_so: NDArray[np.bool_]) -> float | None:
    """At the threshold that 5 % of the others pass."""
    if is_so.all() or not is_so.any():
        return None
    threshold = np.quantile(scores[~is_so], 1 - _FALSE_POSITIVES)
    return _rounded((scores[is_so] > threshold).mean())


def _accuracy(lean: Floats, truth: NDArray[np.int64], of: NDArray[np.bool_]) -> float | None:
    return _rounded(((lean[of] >= 0.5) == (truth[of] == YES)).mean()) if of.any() else None


def _rounded(figure: Any) -> float:
    return round(float(figure), 3)
