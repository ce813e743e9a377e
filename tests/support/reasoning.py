"""Builders for the reasoning tests: requests, an OpenAI-compatible server that follows a script, tiny real models."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.contracts.assessment import Answer, ImagePart, Prompt, TextPart, VerificationRequest
from pipeline.contracts.candidate import Candidate, CandidateState, Fact, KeyFrame
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Severity

START = datetime(2026, 3, 1, 21, 14, 0, tzinfo=UTC)
SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
GOOD_REPORT: dict[str, Any] = {
    "frames": [1, 2],
    "elements": [{"name": "person", "frame": 1, "box": [100, 200, 300, 600]}],
    "relations": [{"subject": "person", "kind": "on", "relation": "on top of", "object": "fence", "frame": 2}],
    "actions": [{"who": "person", "what": "climbs the fence", "first_frame": 1, "last_frame": 2}],
    "title": "Person on the fence",
    "explanation": "A person climbs the fence.",
    "severity_reason": "It is night.",
    "severity": "high",
    "forecasts": [{"what": "The person will reach the yard.", "within_seconds": 10, "probability": 70}],
    "forecast": "The person will reach the yard.",
    "advice": "Send a guard.",
}


def jpeg(width: int = 64, height: int = 48, value: int = 90) -> bytes:
    """One plain grey picture."""
    encoded, buffer = cv2.imencode(".jpg", np.full((height, width, 3), value, dtype=np.uint8))
    assert encoded
    return buffer.tobytes()


def textured(width: int = 64, height: int = 48) -> bytes:
    """One picture with edges everywhere."""
    encoded, buffer = cv2.imencode(".jpg", np.indices((height, width, 3)).sum(axis=0).astype(np.uint8) // 4 % 2 * 200)
    assert encoded
    return buffer.tobytes()


def frame(sequence: int, *, picture: bytes | None = None, width: int = 64, height: int = 48) -> EncodedFrame:
    """The frame `sequence` seconds after `START`."""
    at = START + timedelta(seconds=sequence)
    return EncodedFrame("gate", sequence, at, float(sequence), width, height, picture or textured(width, height))


def request(
    frames: tuple[EncodedFrame, ...] = (frame(0), frame(4)),
    rule: Rule | None = None,
    *,
    key_frames: tuple[KeyFrame, ...] = (),
    notes: tuple[Fact, ...] = (),
    **fields: Any,
) -> VerificationRequest:
    """A verification of `when: a person climbs the fence` on the camera `gate`."""
    rule = rule or Rule(id="climb", when="a person climbs the fence", zone="fence")
    candidate = Candidate(
        id="c1",
        camera_id="gate",
        rule_id=rule.id,
        rule_version="1",
        state=CandidateState.OPENED,
        severity=Severity.HIGH,
        started_at=START,
        opened_at=START,
        score=0.7,
        peak_score=0.8,
        threshold=0.6,
        key_frames=key_frames,
        track_notes=notes,
        picture_size=(64, 48),
    )
    return VerificationRequest(candidate, rule, frames, zones={"fence": SQUARE}, **fields)


def prompt(text: str = "Do the pictures show a fire? yes, no or cannot", num_pictures: int = 1) -> Prompt:
    """A prompt as a backend gets it."""
    pictures = tuple(ImagePart(jpeg()) for _ in range(num_pictures))
    return Prompt("You check alarms.", (TextPart("Frame 1:"), *pictures, TextPart(text)), "test")


class ScriptedModel:
    """A `VisionLanguageModel` that gives (or raises) what its script says, the last entry for ever."""

    model_id = "scripted"

    def __init__(self, verdicts: list[Answer | BaseException], reports: list[str | BaseException] | None = None):
        self.verdicts = verdicts
        self.reports = reports or [json.dumps(GOOD_REPORT)]
        self.calls: list[str] = []

    def warm_up(self) -> None:
        self.calls.append("warm_up")

    def verdict(self, prompt: Prompt) -> Answer:
        self.calls.append("verdict")
        return _next(self.verdicts)

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:
        self.calls.append("report")
        return _next(self.reports)

    def close(self) -> None:
        self.calls.append("close")


def _next(script: list[Any]) -> Any:
    entry = script.pop(0) if len(script) > 1 else script[0]
    if isinstance(entry, BaseException):
        raise entry
    return entry


@dataclass
class Reply:
    """What the server sends for one request."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    """Close the connection in the middle of the body."""
    is_stuck: bool = False
    """Say nothing until the server closes."""


Script = Callable[[str, Mapping[str, Any]], Reply]


def completion(content: str | None, top: Mapping[str, float] | None = None) -> Reply:
    """A chat completion; `top`: first tokens with their probabilities."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": content}}
    if top:
        entries = [{"token": token, "logprob": float(np.log(p))} for token, p in top.items()]
        choice["logprobs"] = {"content": [{**entries[0], "top_logprobs": entries}]}
    return Reply(body={"choices": [choice]})


def well_behaved(
    word: str = "yes",
    report: str = json.dumps(GOOD_REPORT),
    *,
    refuses: frozenset[str] = frozenset(),
    ignores_logprobs: bool = False,
) -> Script:
    """A server that answers `word` in the form asked for; `refuses`: response formats and `logprobs` that get 400."""

    def answer(path: str, body: Mapping[str, Any]) -> Reply:
        if path.endswith("/models"):
            return Reply(body={"data": [{"id": "tiny"}]})
        form = "logprobs" if body.get("logprobs") else body.get("response_format", {}).get("type", "text")
        if form in refuses:
            return Reply(400, {"error": {"message": f"{form} is not supported"}})
        if form == "logprobs":
            return completion(word, None if ignores_logprobs else {word.capitalize(): 0.9, "No": 0.05, "Maybe": 0.05})
        if body.get("max_tokens", 0) > 64:
            return completion(report)
        return completion(word if form == "text" else json.dumps({"answer": word}))

    return answer


def in_turn(*replies: Reply | Script) -> Script:
    """One reply after the other, the last one for ever; `/models` is always answered."""
    left = list(replies)

    def answer(path: str, body: Mapping[str, Any]) -> Reply:
        if path.endswith("/models"):
            return Reply(body={"data": [{"id": "tiny"}]})
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply if isinstance(reply, Reply) else reply(path, body)

    return answer


class ScriptedServer:
    """An OpenAI-compatible server on loopback; `requests` holds the (path, headers, body) it was sent."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"owner": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for path, _, body in self.requests if path.endswith("/chat/completions")]

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@contextmanager
def serving(script: Script) -> Iterator[ScriptedServer]:
    """A scripted server for the length of a `with`."""
    server = ScriptedServer(script)
    try:
        yield server
    finally:
        server.close()


class _Handler(BaseHTTPRequestHandler):
    owner: ScriptedServer

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _answer(self, body: dict[str, Any]) -> None:
        self.owner.requests.append((self.path, dict(self.headers.items()), body))
        reply = self.owner.script(self.path, body)
        if reply.is_stuck:
            self.owner.closing.wait(20)
            return
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content) + (100 if reply.is_cut else 0)))
        with suppress(ConnectionError):  # Whoever asked may have given up.
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


_MARKS = ["<|end|>", "<|turn|>", "<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
_QWEN_MARKS = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
_TEMPLATE = (
    "{% for message in messages %}<|turn|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}{% endfor %}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)


def _tokenizer(image: str) -> Any:
    """Byte-level BPE over a few words, with a chat template: made on the spot, and real."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[*_MARKS, *_QWEN_MARKS], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["yes no cannot Yes No Cannot yes no cannot frame fence 是 否"] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|end|>",
        additional_special_tokens=[*_MARKS[1:], *_QWEN_MARKS],
        chat_template=_TEMPLATE.replace("IMAGE", image),
    )


_TEXT_CONFIG = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 16384,
    "pad_token_id": 0,
    "eos_token_id": 0,
    "bos_token_id": None,
}


def make_idefics3(folder: Path, *, chat_template: bool = True) -> None:
    """A tiny Idefics3 (the architecture of SmolVLM) with random weights."""
    import torch
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessorPil,
        Idefics3Processor,
    )

    torch.manual_seed(7)
    tokenizer = _tokenizer("<image>")
    config = Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **_TEXT_CONFIG},
    )
    size = {"longest_edge": 32}
    images = Idefics3ImageProcessorPil(size=size, max_image_size=size, do_image_splitting=False)
    if not chat_template:
        tokenizer.chat_template = None
    Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=tokenizer.chat_template).save_pretrained(folder)


def make_qwen2_5_vl(folder: Path) -> None:
    """A tiny Qwen2.5-VL with random weights.

    Its own processor cannot be made without torchvision (for videos, which are never sent), so a processor of
    pictures alone is registered for it, the way transformers lets anyone.
    """
    import torch
    from transformers import (
        AutoProcessor,
        ProcessorMixin,
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessorPil,
    )

    class PicturesOnlyProcessor(Qwen2_5_VLProcessor):
        def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None) -> None:
            self.image_token = "<|image_pad|>"
            self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

        @property
        def model_input_names(self) -> list[str]:
            return [*self.tokenizer.model_input_names, *self.image_processor.model_input_names, "mm_token_type_ids"]

    torch.manual_seed(7)
    tokenizer = _tokenizer("<|vision_start|><|image_pad|><|vision_end|>")
    ids = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        vision_config={
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": 8,
            "out_hidden_size": 32,
            "window_size": 32,
            "fullatt_block_indexes": [0],
        },
        text_config={
            "vocab_size": len(tokenizer),
            "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
            **_TEXT_CONFIG,
        },
    )
    AutoProcessor.register(Qwen2_5_VLConfig, PicturesOnlyProcessor, exist_ok=True)
    images = Qwen2VLImageProcessorPil(patch_size=8, min_pixels=16 * 16, max_pixels=64 * 64)
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    PicturesOnlyProcessor(images, tokenizer, chat_template=tokenizer.chat_template).save_pretrained(folder)


def make_internvl(folder: Path) -> None:
    """A tiny InternVL with random weights; without torchvision, so with a processor of pictures alone."""
    import torch
    from transformers import (
        AutoProcessor,
        GotOcr2ImageProcessorPil,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        ProcessorMixin,
    )

    class InternPicturesProcessor(InternVLProcessor):
        def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None) -> None:
            self.image_seq_length = 4
            self.image_token = "<image>"
            self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
            self.start_image_token, self.end_image_token = "<|vision_start|>", "<|vision_end|>"
            self.multimodal_pattern = re.compile("(?P<image><image>)")
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    torch.manual_seed(7)
    tokenizer = _tokenizer("<image>")
    config = InternVLConfig(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": [32, 32],
            "patch_size": [8, 8],
        },
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **_TEXT_CONFIG},
    )
    AutoProcessor.register(InternVLConfig, InternPicturesProcessor, exist_ok=True)
    images = GotOcr2ImageProcessorPil(size={"height": 32, "width": 32}, crop_to_patches=False)
    InternVLForConditionalGeneration(config).save_pretrained(folder)
    InternPicturesProcessor(images, tokenizer, chat_template=tokenizer.chat_template).save_pretrained(folder)
