"""A vision-language model in this process: any `AutoModelForImageTextToText` of transformers with a chat template.

torch, transformers and llguidance are imported when the model is loaded, so that a site without one needs none
of them.
"""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from pipeline.contracts.assessment import Answer, ImagePart, Prompt, TextPart
from pipeline.errors import ConfigError, InvalidMessage, SightlineError, StageFailed, TransientError
from pipeline.reasoning.grammar import GrammarMask
from pipeline.reasoning.meter import note_tokens
from pipeline.reasoning.retry import request_seconds
from pipeline.reasoning.words import WORDS, answer_of_weights, word_of_token, written_forms
from pipeline.settings import ReasoningSettings

if TYPE_CHECKING:
    import torch
    from llguidance import LLTokenizer


log = structlog.get_logger()

MAX_BATCH = 8
"""Verdicts in one forward pass."""


class TransformersVlm:
    """The `VisionLanguageModel` on this machine's processor or GPU; one report, or one batch of verdicts, at a time."""

    def __init__(self, name: str, settings: ReasoningSettings, *, device: str = "auto") -> None:
        self.model_id = name
        self._settings = settings
        self._device = device
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._waiting: deque[_Call] = deque()
        self._can_batch = True

    def warm_up(self) -> None:
        """Load the model; `ConfigError` says what is missing."""
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self.model_id, self._device)

    def verdict(self, prompt: Prompt) -> Answer:
        """The softmax over the first token of an answer, shared out among the three words.

        What other threads asked for while the model was busy is judged in one batch, by whichever of them is next.
        """
        call = _Call(prompt)
        self._waiting.append(call)
        with self._lock:
            while call.outcome is None:
                self._judge_waiting()
        if isinstance(call.outcome, SightlineError):
            raise call.outcome
        answer, num_tokens = call.outcome
        note_tokens(num_tokens, 1)
        return answer

    def verdicts(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Of several prompts in one batch; one that cannot be judged fails all. Raises as `verdict` does."""
        with self._lock, self._use() as loaded:
            return [answer for answer, _ in loaded.verdicts(prompts)]

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:
        """JSON under the grammar of `schema`; cut off where the token or time limit ends it."""
        limit = self._settings.max_report_tokens
        with self._lock, self._use() as loaded:
            inputs = loaded.inputs([prompt], new_tokens=limit)
            tokens = loaded.generate(
                inputs,
                max_new_tokens=limit,
                max_time=request_seconds(self._settings.timeout) or None,
                logits_processor=[GrammarMask(loaded.grammar_tokenizer, schema)],
            )
            length = inputs["input_ids"].shape[1]
            note_tokens(length, tokens.shape[1] - length)
            return loaded.text(tokens[0, length:])

    def close(self) -> None:
        """Forget the model; its memory goes with it."""
        with self._lock:
            self._loaded = None

    def _judge_waiting(self) -> None:
        """Give the next calls their outcome, in one batch if the model can, else each alone; the lock is held."""
        calls = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
        try:
            outcomes = self._judged([call.prompt for call in calls])
            for call, outcome in zip(calls, outcomes, strict=True):
                call.outcome = outcome
        finally:
            for call in calls:
                call.outcome = call.outcome or StageFailed(f"{self.model_id} was stopped")

    def _judged(self, prompts: Sequence[Prompt]) -> Sequence[_Outcome]:
        """One bad prompt, or too little memory for all, must not fail the others: then each is judged alone."""
        if len(prompts) == 1 or not self._can_batch:
            return [self._judge_alone(prompt) for prompt in prompts]
        try:
            with self._use() as loaded:
                return loaded.verdicts(prompts)
        except SightlineError as error:
            outcomes = [self._judge_alone(prompt) for prompt in prompts]
            self._can_batch = any(isinstance(each, SightlineError) for each in outcomes)
            log.warning("a batch failed, its prompts were judged alone", error=str(error), again=self._can_batch)
            return outcomes

    def _judge_alone(self, prompt: Prompt) -> _Outcome:
        try:
            with self._use() as loaded:
                return loaded.verdicts([prompt])[0]
        except SightlineError as error:  # the caller's to raise, who may be on another thread
            return error

    @contextmanager
    def _use(self) -> Iterator[_Loaded]:
        """The model, and what its libraries raise as this project's errors; the lock is held."""
        if self._loaded is None:
            raise StageFailed(f"{self.model_id} is not loaded; call warm_up first")
        try:
            yield self._loaded
        except (ValueError, IndexError) as error:
            raise InvalidMessage(f"{self.model_id} cannot take this prompt: {error}") from error
        except RuntimeError as error:
            raise TransientError(f"{self.model_id} failed: {error}") from error


_Outcome = tuple[Answer, int] | SightlineError
"""An answer and the tokens of its prompt, or what to raise."""


@dataclass(slots=True, eq=False)
class _Call:
    """A verdict that some thread waits for."""

    prompt: Prompt
    outcome: _Outcome | None = None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model with all that is made from it once."""

    processor: Any
    model: Any
    first_tokens: Mapping[str, list[int]]
    grammar_tokenizer: LLTokenizer
    max_tokens: int | None
    """Prompt and answer together; None when the model does not say."""

    def verdicts(self, prompts: Sequence[Prompt]) -> list[tuple[Answer, int]]:
        """Each prompt's answer, and how many tokens the prompt has."""
        inputs = self.inputs(prompts, new_tokens=1)
        output = self.generate(inputs, max_new_tokens=1, output_logits=True, return_dict_in_generate=True)
        probabilities = output.logits[0].float().softmax(dim=-1)
        return [
            (self._answer(row), num_tokens)
            for row, num_tokens in zip(probabilities, inputs["attention_mask"].sum(dim=1).tolist(), strict=True)
        ]

    def _answer(self, probabilities: torch.Tensor) -> Answer:
        """(V,) shares of the first token as an answer."""
        if not bool(probabilities.isfinite().all()):
            raise InvalidMessage("the model gave probabilities that are not numbers")
        weights = [float(probabilities[self.first_tokens[word]].sum()) for word in WORDS]
        return answer_of_weights(weights, self.text(probabilities.argmax()[None]))

    def inputs(self, prompts: Sequence[Prompt], new_tokens: int) -> Any:
        """The prompts as tensors on the model's device, padded on the left to one length, floats in its dtype."""
        inputs = self.processor.apply_chat_template(
            [_messages(prompt) for prompt in prompts],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
        length = inputs["input_ids"].shape[1]
        if self.max_tokens is not None and length + new_tokens > self.max_tokens:
            raise InvalidMessage(
                f"the prompt has {length} tokens and {new_tokens} are for the answer, the model takes "
                f"{self.max_tokens}; lower reasoning.max_frames or reasoning.max_side_px"
            )
        return inputs.to(self.model.device, dtype=self.model.dtype)

    def generate(self, inputs: Any, **options: Any) -> Any:
        """Greedy, whatever the model's own generation settings sample with."""
        import torch

        with torch.inference_mode():
            return self.model.generate(
                **inputs, do_sample=False, num_beams=1, temperature=None, top_p=None, top_k=None, **options
            )

    def text(self, tokens: torch.Tensor) -> str:
        """(T,) token ids as text, without special tokens."""
        return str(self.processor.tokenizer.decode(tokens, skip_special_tokens=True))


def _load(name: str, device: str) -> _Loaded:
    try:
        import torch
        import transformers
        from llguidance.hf import from_tokenizer
    except ImportError as error:
        raise ConfigError(
            f"models.vlm: {name} needs more packages: pip install 'sightline[models]' ({error})"
        ) from error
    if name.startswith(("/", "./", "../", "~")):
        # Anything else that is no folder is an id; a missing folder must not be looked for on the hub.
        name = str(Path(name).expanduser())
        if not Path(name).is_dir():
            raise ConfigError(f"models.vlm: there is no folder {name}")
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    dtype = torch.float32 if place == "cpu" else torch.bfloat16
    with _loading(name):
        processor = transformers.AutoProcessor.from_pretrained(name)
        processor.tokenizer.padding_side = "left"  # the answer begins where every prompt of a batch ends
        _check_chat_template(name, processor)
        model = transformers.AutoModelForImageTextToText.from_pretrained(name, dtype=dtype).to(place).eval()
        end_tokens = model.generation_config.eos_token_id or processor.tokenizer.eos_token_id
        model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
        config = model.config.get_text_config()
        num_tokens = max(len(processor.tokenizer), config.vocab_size)
        grammar_tokenizer = from_tokenizer(processor.tokenizer, n_vocab=num_tokens, eos_token=end_tokens)
    return _Loaded(
        processor=processor,
        model=model,
        first_tokens=_first_tokens(name, processor.tokenizer),
        grammar_tokenizer=grammar_tokenizer,
        max_tokens=getattr(config, "max_position_embeddings", None),
    )


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """What loading raises for missing packages, missing files and wrong ones, as one clear error."""
    from safetensors import SafetensorError

    try:
        yield
    except ImportError as error:
        raise ConfigError(f"models.vlm: {name} needs another package: {' '.join(str(error).split())}") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise ConfigError(
            f"models.vlm: cannot load {name} as an image-text-to-text model; expected a Hugging Face id or a folder "
            f"with config, processor and weights: {error}"
        ) from error


def _check_chat_template(name: str, processor: Any) -> None:
    """A model that was never taught to answer has none."""
    import jinja2

    if not (getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)):
        raise ConfigError(f"models.vlm: {name} has no chat template; name an instruction-tuned (chat) model")
    sample = Prompt(system="a", parts=(TextPart("b"),), version="")
    try:
        processor.apply_chat_template(_messages(sample), add_generation_prompt=True)
    except jinja2.TemplateError as error:
        raise ConfigError(f"models.vlm: the chat template of {name} takes no system message: {error}") from error


def _first_tokens(name: str, tokenizer: Any) -> dict[str, list[int]]:
    """Word to the ids an answer of it can begin with, leaving out those that could begin something else."""
    first_tokens: dict[str, list[int]] = {}
    for word in WORDS:
        ids = {tokenizer.encode(form, add_special_tokens=False)[0] for form in written_forms(word)}
        first_tokens[word] = sorted(each for each in ids if word_of_token(tokenizer.decode([each])) == word)
    if not all(first_tokens.values()):
        raise ConfigError(f"models.vlm: the vocabulary of {name} does not tell yes, no and cannot apart")
    return first_tokens


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    content = [_part(part) for part in prompt.parts]
    system = [{"type": "text", "text": prompt.system}]
    return [{"role": "system", "content": system}, {"role": "user", "content": content}]


def _part(part: TextPart | ImagePart) -> dict[str, Any]:
    from PIL import Image, UnidentifiedImageError

    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    try:
        return {"type": "image", "image": Image.open(io.BytesIO(part.jpeg)).convert("RGB")}
    except (UnidentifiedImageError, OSError) as error:
        raise InvalidMessage(f"expected a JPEG in the prompt: {error}") from error
