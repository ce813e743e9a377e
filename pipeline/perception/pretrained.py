"""Models of the Hugging Face kind, from a hub id or a folder. torch and transformers are imported only here, and
only when a model is loaded.

In: the `models.…` value of the site file. Out: model and processor on their device, or a `ConfigError` that
says what to do. Something is downloaded only when a hub id is named and not in the local cache yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipeline.contracts.values import Image
from pipeline.errors import ConfigError, StageFailed
from pipeline.perception.parallel import in_threads
from pipeline.settings import PerceptionSettings


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A model ready to run, without gradients; the types are torch's and transformers' own."""

    model: Any
    image_processor: Any
    tokenizer: Any
    """None for a model that reads no words."""
    device: Any
    dtype: Any

    def image_inputs(self, images: Sequence[Image]) -> Any:
        """Images as the model's own processor makes them of the whole batch; on its device, in its precision."""
        return self._processed(images).to(self.device, dtype=self.dtype)

    def image_rows(self, images: Sequence[Image], num_rows: int, num_threads: int) -> Any:
        """The same for a model whose inputs are all of one size, each image on a thread of its own.

        Up to `num_rows`, the last image is repeated: what comes out for those rows is to be thrown away.
        """
        import torch

        rows = in_threads(lambda image: self._processed([image]), images, num_threads)
        rows += rows[-1:] * (num_rows - len(rows))
        inputs = type(rows[0])({name: torch.cat([row[name] for row in rows]) for name in rows[0]})
        return inputs.to(self.device, dtype=self.dtype)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around a call of the model: `StageFailed` when its device is broken, as every later call would be too."""
        import torch

        try:
            yield
        except torch.AcceleratorError as error:
            raise StageFailed(
                f"the device {self.device} failed: {_first_line(error)}; the worker must start anew"
            ) from error

    def text_inputs(self, texts: Sequence[str]) -> Any:
        """Texts as tokens, cut to the longest the model was made for."""
        config = self.model.config
        # SigLIP was trained on texts padded to full length, and reads shorter ones wrongly.
        padding = "max_length" if config.model_type.startswith("siglip") else True
        longest = config.text_config.max_position_embeddings
        tokens = self.tokenizer(list(texts), return_tensors="pt", padding=padding, truncation=True, max_length=longest)
        return tokens.to(self.device)

    def _processed(self, images: Sequence[Image]) -> Any:
        # The channels' place is said outright: a frame 3 pixels high could be taken for one with them first.
        return self.image_processor(list(images), return_tensors="pt", input_data_format="channels_last")


def load_pretrained(spec: str, auto_class: str, settings: PerceptionSettings, setting: str) -> Pretrained:
    """Load model and processor.

    Args:
        spec: A hub id or a folder.
        auto_class: Name of the class of `transformers` that makes such models, e.g. `AutoModel`.
        settings: Device and threads.
        setting: Where `spec` stands in the site file, for messages.
    """
    _refuse_missing_folder(spec, setting)
    try:
        import torch
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise ConfigError(
            f"{setting}: {spec} needs torch and transformers, which are not installed: pip install sightline[models]"
        ) from error
    try:
        device = torch.device(_device_name(torch, settings.device))
        dtype = _precision(torch, device)
        processor = transformers.AutoProcessor.from_pretrained(spec)
        model = getattr(transformers, auto_class).from_pretrained(spec, dtype=dtype).to(device).eval()
        model.requires_grad_(False)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError, httpx.HTTPError) as error:
        raise ConfigError(
            f"{setting}: cannot load {spec} as {auto_class}: {_first_line(error)} "
            "(expected a Hugging Face id that can be downloaded, or a folder with config.json, weights and processor)"
        ) from error
    if settings.threads:
        torch.set_num_threads(settings.threads)
    # The parts are called themselves: the whole of Siglip2Processor overrides its parts' own patch size.
    image_processor = getattr(processor, "image_processor", processor)
    return Pretrained(model, image_processor, getattr(processor, "tokenizer", None), device, dtype)


def _refuse_missing_folder(spec: str, setting: str) -> None:
    """A hub id is `name` or `owner/name`; anything else that is not there is a folder misspelt."""
    path = Path(spec).expanduser()
    looks_like_path = spec.startswith((".", "/", "~")) or spec.count("/") > 1
    if looks_like_path and not path.is_dir():
        raise ConfigError(f"{setting}: expected a model's folder at {spec}, found none; check the path")


def _device_name(torch: Any, wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def _precision(torch: Any, device: Any) -> Any:
    """Half precision where it is faster: on CUDA, bfloat16 if the device has it. float32 elsewhere."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
