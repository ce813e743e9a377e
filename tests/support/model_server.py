"""An OpenAI-compatible server on loopback that judges as it is told."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from tests.support.receiver import Step, answer

REPORT = {
    "frames": [1],
    "elements": [],
    "relations": [],
    "title": "Somebody walks",
    "explanation": "Somebody walks across the yard.",
    "forecast": "They will leave.",
    "advice": "",
}


def judge(yes: float, *, delay_seconds: float = 0.0) -> Step:
    """Answers every verdict with that probability of yes, and every report with the same good one."""

    def step(handler: Any) -> None:
        if handler.command == "GET":
            answer(200, json.dumps({"object": "list", "data": [{"id": "judge"}]}).encode())(handler)
            return
        time.sleep(delay_seconds)
        likely = [
            {"token": word, "logprob": math.log(max(share, 1e-9))} for word, share in (("yes", yes), ("no", 1 - yes))
        ]
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": json.dumps(REPORT)},
            "logprobs": {"content": [{**max(likely, key=lambda each: each["logprob"]), "top_logprobs": likely}]},
        }
        answer(200, json.dumps({"choices": [choice]}).encode(), content_type="application/json")(handler)

    return step
