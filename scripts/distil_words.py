"""Make the word table of the built-in models: a static vector for each piece of all-MiniLM-L6-v2's vocabulary.

Each piece is put through the sentence encoder alone, between its start and end marks; the mean of the answer is
brought to unit length; the first 96 principal components of all of them are kept (Apache-2.0, as the encoder).

    python scripts/distil_words.py FOLDER_OF_THE_MODEL [OUT]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from pipeline.models.weights import SHIPPED, write_words

_WIDTH = 96
_BATCH = 512


def main(model_folder: str, out: Path = SHIPPED) -> None:
    """Distil, quantise and write; say how much of the variance is kept."""
    tokenizer, model = AutoTokenizer.from_pretrained(model_folder), AutoModel.from_pretrained(model_folder).eval()
    pieces = [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda known: known[1])]
    sentences = _encoded(model, tokenizer.cls_token_id, tokenizer.sep_token_id, len(pieces))
    centred = sentences - sentences.mean(0)
    _, strengths, directions = np.linalg.svd(centred, full_matrices=False)
    vectors = centred @ directions[:_WIDTH].T
    write_words(out, (vectors / vectors.std()).astype(np.float32), pieces)
    kept = (strengths[:_WIDTH] ** 2).sum() / (strengths**2).sum()
    print(f"{len(pieces)} pieces, {_WIDTH} numbers each, {kept:.1%} of the variance, in {out}")


def _encoded(model: Any, start: int, end: int, count: int) -> NDArray[np.float32]:
    """(pieces, width) of unit length."""
    found = []
    for first in range(0, count, _BATCH):
        ids = torch.tensor([[start, piece, end] for piece in range(first, min(first + _BATCH, count))])
        with torch.inference_mode():
            hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        found.append(torch.nn.functional.normalize(hidden.float().mean(1), dim=1).numpy())
    return np.concatenate(found)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:3]))
