"""A verdict and its report as lines for a terminal: every claim beside the picture that is its evidence."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.contracts.assessment import Assessment, Element, Report


def assessment_lines(assessment: Assessment) -> list[str]:
    """The verdict, what the report claims, and what of it was removed."""
    return [verdict_line(assessment), *_remarks(assessment), *_report_lines(assessment), *removed_lines(assessment)]


def verdict_line(assessment: Assessment) -> str:
    """`confirmed (93% yes) by qwen: A person climbs the fence.`"""
    sure = f" ({assessment.probability:.0%} yes)" if assessment.probability is not None else ""
    return f"{assessment.verdict.value}{sure} by {assessment.model_id}: {assessment.reason}"


def removed_lines(assessment: Assessment) -> list[str]:
    """How many claims were checked and removed, and each of these with its reason; none when all were borne out."""
    grounding = assessment.grounding
    if grounding is None or not grounding.removed:
        return []
    head = f"{len(grounding.removed)} of {grounding.num_checked} claims removed:"
    return [head, *(f"  {each.claim}: {each.reason}" for each in grounding.removed)]


def _remarks(assessment: Assessment) -> Iterator[str]:
    raw, calibrated = assessment.raw_probability, assessment.probability
    if raw is not None and calibrated is not None and abs(raw - calibrated) >= 0.005:
        yield f"the model said {raw:.0%}; reviews of this rule's verdicts moved it"
    yield from (text for text in (assessment.degraded, assessment.safety) if text)


def _report_lines(assessment: Assessment) -> Iterator[str]:
    report = assessment.report
    if report is None:
        return
    yield from (f"in picture {each.frame}: {each.name}{_place(each)}" for each in report.elements)
    yield from (f"in picture {each.frame}: {each.subject} {each.relation} {each.object}" for each in report.relations)
    yield from (f"{_span(each.first_frame, each.last_frame)}: {each.who}: {each.what}" for each in report.actions)
    yield from _conclusions(report)


def _conclusions(report: Report) -> Iterator[str]:
    if report.severity is not None:
        yield f"the model calls it {report.severity.value}" + f": {report.severity_reason}" * bool(
            report.severity_reason
        )
    if report.forecast:
        yield f"likely next: {report.forecast}"
    yield from (f"within {each.within_seconds} s: {each.what} ({each.probability:.0%})" for each in report.forecasts)
    if report.advice:
        yield f"advice: {report.advice}"


def _place(element: Element) -> str:
    """Where in the picture, in percent of its width and height: ` (10-40 % across, 10-90 % down)`."""
    if element.box is None:
        return ""
    left, top, right, bottom = (round(100 * side) for side in element.box)
    return f" ({left}-{right}% across, {top}-{bottom}% down)"


def _span(first: int, last: int) -> str:
    return f"in picture {first}" if first == last else f"in pictures {first} to {last}"
