"""Keeping a generation to a JSON Schema: llguidance masks, at each step, every token that would break it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import InvalidMessage

if TYPE_CHECKING:
    import torch
    from llguidance import LLMatcher, LLTokenizer


class GrammarMask:
    """A logits processor of transformers for one generation of one sequence.

    The mask is applied with plain torch: `llguidance.torch` compiles its kernel, which needs a C++ compiler at
    run time.
    """

    def __init__(self, tokenizer: LLTokenizer, schema: Mapping[str, Any]) -> None:
        from llguidance import LLMatcher

        # Without free white space a model cannot fill its budget with blanks.
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides={"whitespace_flexible": False})
        self._matcher: LLMatcher = LLMatcher(tokenizer, grammar)
        self._has_begun = False
        self._check()

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        """(1, T) tokens so far and (1, V) scores → scores with `-inf` where the grammar forbids."""
        import torch

        if self._has_begun:
            self._matcher.consume_token(int(input_ids[0, -1]))
        self._has_begun = True
        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        self._check()
        masked = torch.full_like(scores, float("-inf"))
        width = min(scores.shape[-1], allowed.shape[0])
        keep = allowed[:width].to(scores.device) > 0
        masked[:, :width] = scores[:, :width].masked_fill(~keep, float("-inf"))
        return masked

    def _check(self) -> None:
        if self._matcher.is_error():
            raise InvalidMessage(f"the grammar failed: {self._matcher.get_error()}")
