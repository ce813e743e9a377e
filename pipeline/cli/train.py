"""`sightline train`: the built-in models, trained again or further, on rendered scenes or a site's own backgrounds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline.cli.configuration import JsonOption
from pipeline.cli.output import out, say_json
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.models.training.plan import TrainingPlan

Stage = Literal["vision", "captions", "rules", "clip"]
Size = Literal["nano", "tiny"]
_TIME_TO_SPARE = 1.5
"""A plan in minutes is a number of steps; a slow machine stops after so many times the minutes, to be resumed."""
_NOT_PARTS = frozenset({"seconds", "step", "steps", "rate", "loss", "held_out"})


def train(
    folder: Annotated[Path, typer.Option("--out", "--data-dir", metavar="DIR", help="Weights, log and card go here.")],
    stage: Annotated[
        Stage, typer.Option(help="vision: what is seen; captions: words for it; rules: what words ask; clip: verdicts.")
    ] = "vision",
    size: Annotated[Size, typer.Option(help="nano is what ships; tiny is for tests.")] = "nano",
    minutes: Annotated[float | None, typer.Option(min=0.1, help="About how long, on two cores of a server.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Exactly how many steps; instead of --minutes.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in DIR stopped.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same loss curve.")] = 1,
    adapt: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOOTAGE", help="A recording whose view half of the scenes play in; may be repeated."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the training; all cores by default.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that render ahead.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, or cuda where there is one.")] = "cpu",
    evaluate_every: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="Held-out figures so often.")] = 240.0,
    as_json: JsonOption = False,
) -> None:
    """Train the built-in models; a run may be stopped and resumed.

    \b
      sightline train --stage vision --minutes 40 --out trained
      sightline train --stage vision --minutes 80 --out trained --resume
      sightline train --stage vision --minutes 20 --out ours --adapt yard.mp4 --adapt gate.mp4
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait for each other do not take a core to do it
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ConfigError("training needs torch: pip install 'sightline[models]'") from error
    from pipeline.models.training.loop import train as run
    from pipeline.models.training.plan import STEPS_PER_MINUTE, TrainingPlan, is_bf16_fast, usual_rate
    from pipeline.models.training.staging import check_room

    if (minutes is None) == (steps is None):
        raise ConfigError("say how long: either --minutes or --steps")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no such device here; use --device cpu")
    if adapt and stage == "rules":
        raise ConfigError("--adapt: rules are learned from words alone; it is for vision, captions and clip")
    if missing := [path for path in adapt or () if not path.is_file()]:
        raise ConfigError(f"--adapt: expected a recording at {missing[0]}, found no such file")
    check_room(adapt or ())
    plan = TrainingPlan(
        stage=stage,
        out=folder,
        steps=steps or max(round((minutes or 0) * STEPS_PER_MINUTE), 1),
        size=size,
        seed=seed,
        learning_rate=usual_rate(stage),
        threads=threads or os.cpu_count() or 1,
        workers=workers,
        device=device,
        is_bf16=is_bf16_fast(device),
        evaluate_every_seconds=evaluate_every,
        at_most_seconds=(minutes * 60 * _TIME_TO_SPARE) if minutes else float("inf"),
        footage=tuple(adapt or ()),
    )
    _tell_end(plan, run(plan, is_resumed=resume, show=say_json if as_json else _show), as_json)


def _show(line: Mapping[str, Any]) -> None:
    at = f"{line['seconds'] / 60:6.1f} min  step {line['step']}/{line['steps']}"
    if "held_out" in line:
        out().print(f"{at}  held out: {_words(line['held_out'])}")
    elif line["step"] % 50 == 0:
        parts = ", ".join(f"{name} {value:.2f}" for name, value in line.items() if name not in _NOT_PARTS)
        out().print(f"{at}  loss {line['loss']:.3f}  {parts}")


def _words(figures: Mapping[str, Any]) -> str:
    """The figures that are numbers or say one `accuracy`; the card has all of them."""
    told = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            told += [f"{name} {key.replace('_', ' ')} {value[key]}" for key in value if _is_number(value[key])]
        elif _is_number(value):
            told.append(f"{name} {value}")
    return ", ".join(told)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _tell_end(plan: TrainingPlan, trained: Any, as_json: bool) -> None:
    if as_json:
        say_json(
            {"steps": trained.steps, "seconds": round(trained.seconds, 1), "files": [str(f) for f in trained.files]}
        )
        return
    out().print(
        f"{trained.steps} of {plan.steps} steps in {trained.seconds / 60:.1f} min: "
        + ", ".join(str(path) for path in trained.files)
    )
    if trained.steps < plan.steps:
        out().print("The time is up before the plan: the same command with --resume goes on.")
