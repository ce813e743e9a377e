"""How fast image encoders of real size run, and how near to what the machine's matrix multiplier can do.

Random weights of real architectures (nothing is downloaded), batches 1 to 512, bf16 on CUDA (float32 on a CPU), run
eagerly, compiled, and compiled into CUDA graphs; from tensors that lie on the device, and from JPEG bytes (decoded by
threads while the batch before is in the model, two batches under way). The ceiling is the best large matrix product
of the same run, so that a share of it compares across machines.

    python benchmarks/encoder.py --save                 # on a GPU: everything, some minutes
    python benchmarks/encoder.py --quick                # a check that it runs, on any machine
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import measure
import numpy as np
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

from pipeline import jpeg

ROUNDS = 5
ROUND_SECONDS = 0.6
JPEG_SIZE_PX = (1280, 720)


@dataclass(frozen=True)
class Architecture:
    """A vision transformer's shape."""

    name: str
    side_px: int
    patch_px: int
    width: int
    layers: int
    heads: int
    mlp_width: int
    family: str
    aim: float | None = None
    """Share of the matmul ceiling aimed at."""

    @property
    def tokens(self) -> int:
        """Patches of one picture, and CLIP's class token."""
        return (self.side_px // self.patch_px) ** 2 + (1 if self.family == "clip" else 0)

    @property
    def flop(self) -> float:
        """Floating point operations for one picture: two a multiply-add, matrix products alone."""
        linear = self.tokens * (4 * self.width**2 + 2 * self.width * self.mlp_width)
        attention = 2 * self.tokens**2 * self.width
        patches = self.tokens * 3 * self.patch_px**2 * self.width
        return 2.0 * (self.layers * (linear + attention) + patches)

    def build(self) -> torch.nn.Module:
        """The model with random weights."""
        sizes: dict[str, Any] = {
            "image_size": self.side_px,
            "patch_size": self.patch_px,
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.mlp_width,
            "attn_implementation": "sdpa",
        }
        torch.manual_seed(0)
        if self.family == "clip":
            return CLIPVisionModel(CLIPVisionConfig(**sizes))
        return SiglipVisionModel(SiglipVisionConfig(**sizes))


ARCHITECTURES = (
    Architecture("SigLIP B/16-256", 256, 16, 768, 12, 12, 3072, "siglip", aim=0.5),
    Architecture("CLIP L/14-224", 224, 14, 1024, 24, 16, 4096, "clip"),
    Architecture("SigLIP So400m/14-384", 384, 14, 1152, 27, 16, 4304, "siglip", aim=0.6),
)
QUICK = Architecture("tiny (a check of the script)", 64, 16, 64, 2, 2, 128, "siglip")
MODES = ("eager", "compiled", "cuda graph")


def main() -> None:
    """Measure and print; `--save` keeps the figures."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="a tiny model and small batches")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 32, 64, 128, 256, 512])
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    batches = [1, 4] if arguments.quick else arguments.batches
    modes = MODES if device.type == "cuda" else MODES[:1]
    ceiling = matmul_ceiling(device, dtype, 1024 if device.type == "cpu" else 8192)
    rows = [
        row
        for architecture in ((QUICK,) if arguments.quick else ARCHITECTURES)
        for row in measured(architecture, device, dtype, batches, modes, ceiling)
    ]
    title = f"{device_name(device)}, {dtype}, matmul ceiling {ceiling / 1e12:.3g} TFLOP/s"
    columns = ("architecture", "mode", "input", "batch", "images/s", "ms a batch", "share of ceiling", "aim")
    measure.show(title, columns, [tuple(row.values()) for row in rows])
    if arguments.save:
        figures = {"device": device_name(device), "dtype": str(dtype), "ceiling_tflops": ceiling / 1e12, "rows": rows}
        print(measure.save("encoder", figures))


def measured(
    architecture: Architecture,
    device: torch.device,
    dtype: torch.dtype,
    batches: list[int],
    modes: tuple[str, ...],
    ceiling: float,
) -> Iterator[dict[str, object]]:
    """One row a mode, input and batch size; a batch that does not fit ends its row of batches."""
    model = architecture.build().to(device, dtype).eval().requires_grad_(False)
    for mode in modes:
        forward = prepared(model, mode)
        for batch in batches:
            for source in ("tensors", "JPEG bytes"):
                try:
                    seconds = seconds_a_batch(architecture, forward, device, dtype, batch, source)
                except torch.cuda.OutOfMemoryError:
                    break
                rate = batch / statistics.median(seconds)
                yield {
                    "architecture": architecture.name,
                    "mode": mode,
                    "input": source,
                    "batch": batch,
                    "images_a_second": rate,
                    "ms_a_batch": measure.spread([each * 1e3 for each in seconds]),
                    "share_of_ceiling": rate * architecture.flop / ceiling,
                    "aim": "" if architecture.aim is None else architecture.aim,
                }
        torch.compiler.reset()


def prepared(model: torch.nn.Module, mode: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The model's forward pass in one of `MODES`."""

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = model(pixel_values=pixels).pooler_output
        return pooled

    if mode == "eager":
        return forward
    compiled: Callable[[torch.Tensor], torch.Tensor] = torch.compile(
        forward, dynamic=False, mode="reduce-overhead" if mode == "cuda graph" else "default"
    )
    return compiled


def seconds_a_batch(
    architecture: Architecture,
    forward: Callable[[torch.Tensor], torch.Tensor],
    device: torch.device,
    dtype: torch.dtype,
    batch: int,
    source: str,
) -> list[float]:
    """Seconds for one batch, one figure a round."""
    if source == "tensors":
        pixels = torch.rand(batch, 3, architecture.side_px, architecture.side_px, device=device, dtype=dtype)
        return rounds(lambda: forward(pixels), device)
    with ThreadPoolExecutor(os.cpu_count()) as pool, ThreadPoolExecutor(1) as loader:
        jpegs = [example_jpeg(seed) for seed in range(8)]
        wanted = [jpegs[index % len(jpegs)] for index in range(batch)]

        def load() -> torch.Tensor:
            decoded = list(pool.map(lambda each: decode(each, architecture.side_px), wanted))
            staged = torch.from_numpy(np.stack(decoded))
            if device.type == "cuda":
                staged = staged.pin_memory()
            on_device = staged.to(device, non_blocking=True)
            return on_device.permute(0, 3, 1, 2).to(dtype).div_(127.5).sub_(1.0).contiguous()

        ahead = [loader.submit(load)]

        def step() -> None:
            pixels = ahead.pop().result()
            ahead.append(loader.submit(load))  # Decoded while this batch is in the model.
            forward(pixels)

        return rounds(step, device)


def rounds(step: Callable[[], object], device: torch.device) -> list[float]:
    """Median-ready figures: warm up, then rounds of enough steps to be timed."""
    with torch.inference_mode():
        for _ in range(3):
            step()
        synchronise(device)
        started = time.perf_counter()
        step()
        synchronise(device)
        steps = max(int(ROUND_SECONDS / max(time.perf_counter() - started, 1e-6)), 1)
        figures = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for _ in range(steps):
                step()
            synchronise(device)
            figures.append((time.perf_counter() - started) / steps)
    return figures


def matmul_ceiling(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """FLOP/s of the best of `ROUNDS` large square products."""
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2.0 * side**3 / min(rounds(lambda: left @ right, device))


def example_jpeg(seed: int) -> bytes:
    """A 720p picture with the detail of a real one: smooth shapes and a little noise, about 100 kB."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (18, 32, 3), np.uint8)
    smooth = cv2.resize(coarse, JPEG_SIZE_PX, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noisy = np.clip(smooth + random.integers(-6, 7, smooth.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, (cv2.IMWRITE_JPEG_QUALITY, 85))[1].tobytes()


def decode(picture_bytes: bytes, side_px: int) -> np.ndarray:
    """RGB (side, side, 3) from JPEG bytes, decoded at half its size: still over the model's."""
    picture = jpeg.decode(picture_bytes, 2)
    return cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_AREA)


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def device_name(device: torch.device) -> str:
    """As its maker calls it."""
    return torch.cuda.get_device_name() if device.type == "cuda" else str(measure.machine()["processor"])


if __name__ == "__main__":
    main()
