"""Pictures as unit vectors by any convolutional network in an ONNX file, through OpenCV's own network runtime.

In: RGB images. Out: float32 rows of unit length; no words. The file must have one input `[1, 3, H, W]` that takes raw
BGR 0–255, letterboxed at the top left with grey 114, as YOLOX's exports do: what a network wants beside that (mean,
deviation) must be part of its graph. What is read, and how it becomes a vector:

* `PATH#LAYER`: that layer; `PATH`: the output of the network. A feature map `(1, C, h, w)` is averaged over the cells
  that the picture covers, the grey ones left out; tokens `(1, T, D)` over T; a row `(1, D)` is taken as it is.
* `PATH` of a YOLOX export (output `[1, N, 85]`): the last feature maps of its neck, one a stride, each averaged and
  brought to unit length, one after the other: what the detector knows of a picture before it names anything.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Image
from pipeline.errors import ConfigError, StageFailed
from pipeline.perception.onnx import YOLOX_COLUMNS, input_size, letterbox
from pipeline.settings import PerceptionSettings

ONNX = "onnx:"
_SETTING = "models.encoder"
_GROWING = frozenset({"Resize", "Deconvolution"})
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer of a network that gives a feature map."""

    name: str
    type: str
    side: int
    """Height of the map in cells."""


class OnnxEncoder:
    """An encoder from an `.onnx` file. One picture goes through at a time, as in `onnx.py` and for its reasons."""

    supports_text = False
    logit_scale = 1.0

    def __init__(self, spec: str, settings: PerceptionSettings) -> None:
        """`spec`: `PATH` or `PATH#LAYER`."""
        path, _, layer = spec.partition("#")
        self._path = Path(path).expanduser()
        self.model_id = f"{ONNX}{self._path.name}" + (f"#{layer}" if layer else "")
        self.input_side_px: int | None = None
        self._settings = settings
        self._layer = layer
        self._read: tuple[str, ...] = ()
        self._net: cv2.dnn.Net | None = None
        self._size_px = (0, 0)
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Load the file and run it once; `ConfigError` when it is no such network or has no such layer."""
        if not self._path.is_file():
            raise ConfigError(f"{_SETTING}: expected a network at {self._path}, found no such file")
        if self._settings.threads:
            cv2.setNumThreads(self._settings.threads)
        try:
            # Of OpenCV 5's engines the new one tells the size of an input, and the classic one reads inner layers.
            self._size_px = input_size(cv2.dnn.readNetFromONNX(str(self._path)))
            self._net = cv2.dnn.readNetFromONNX(str(self._path), engine=cv2.dnn.ENGINE_CLASSIC)
            self._read = self._layers_to_read(self._net)
            self.input_side_px = min(self._size_px)
            self.encode_images([np.zeros((*self._size_px[::-1], 3), np.uint8)])
        except (cv2.error, StageFailed) as error:
            self.close()
            raise ConfigError(
                f"{_SETTING}: cannot use {self._path}{self._layer and f' with layer {self._layer}'}: "
                f"{getattr(error, 'err', error)} (expected an ONNX network with one input [1, 3, H, W])"
            ) from error

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(N, D), in order."""
        return np.stack([self._encode(image) for image in images]) if images else np.empty((0, 0), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Always a `ConfigError`: such a network reads no words."""
        raise ConfigError(
            f"{_SETTING}: {self.model_id} cannot read words such as {texts[:1]}; "
            "name a CLIP or SigLIP model for rules with when:"
        )

    def close(self) -> None:
        """Free the network."""
        self._net = None

    def _encode(self, image: Image) -> NDArray[np.float32]:
        net = self._net
        if net is None:
            raise StageFailed(f"{self.model_id}: used before warm_up or after close")
        canvas, scale = letterbox(image, self._size_px)
        covered = (image.shape[0] * scale / self._size_px[1], image.shape[1] * scale / self._size_px[0])
        with self._lock:
            net.setInput(cv2.dnn.blobFromImage(canvas, swapRB=True))
            outputs = net.forward(self._read)
        return _unit(np.concatenate([_unit(_pooled(np.asarray(one, np.float32), covered)) for one in outputs]))

    def _layers_to_read(self, net: cv2.dnn.Net) -> tuple[str, ...]:
        if self._layer:
            return (self._layer,)
        outputs = tuple(net.getUnconnectedOutLayersNames())
        net.setInput(np.zeros((1, 3, *self._size_px[::-1]), np.float32))
        shapes = [np.shape(one) for one in net.forward(outputs)]
        is_yolox = len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][2] == YOLOX_COLUMNS
        return _neck(_feature_maps(net)) if is_yolox else outputs[:1]


def _feature_maps(net: cv2.dnn.Net) -> list[_Layer]:
    """The layers that give feature maps, in the order in which they run; the input of `net` must be set.

    OpenCV tells shapes of layers by name only after all of them were asked for: the network is run once for it.
    """
    names = net.getLayerNames()
    shapes = [np.shape(one) for one in net.forward(names)]
    return [
        _Layer(name, str(net.getLayer(name).type), shape[2])
        for name, shape in zip(names, shapes, strict=True)
        if len(shape) == 4
    ]


def _neck(layers: Sequence[_Layer]) -> tuple[str, ...]:
    """Names of the last feature maps before a detector's heads, finest first.

    Names of layers are an exporter's whim, the order is not: backbone and neck make maps finer only by a layer that
    enlarges; where they are finer again without one, the heads begin, with the neck's finest map. Before that, the
    last layer of each size met since the last enlargement is what the neck hands to the head of that size.
    """
    heads = [n for n, (a, b) in enumerate(pairwise(layers), 1) if b.side > a.side and b.type not in _GROWING]
    enlarged = [n for n, layer in enumerate(layers) if layer.type in _GROWING]
    if not enlarged or not heads or heads[-1] < enlarged[-1]:
        raise StageFailed("its neck cannot be told from its heads; name a layer as PATH#LAYER")
    first_head = next(n for n in heads if n > enlarged[-1])
    return tuple({layer.side: layer.name for layer in layers[enlarged[-1] : first_head]}.values())


def _pooled(output: NDArray[np.float32], covered: tuple[float, float]) -> NDArray[np.float32]:
    """(D,) of one picture's output; `covered`: the share of height and width that is picture and not padding."""
    if output.ndim == 4:
        rows, columns = (max(round(share * size), 1) for share, size in zip(covered, output.shape[2:], strict=True))
        return np.asarray(output[0, :, :rows, :columns].mean(axis=(1, 2)), np.float32)
    if output.ndim == 3:
        return np.asarray(output[0].mean(axis=0), np.float32)
    if output.ndim == 2:
        return np.asarray(output[0], np.float32)
    raise StageFailed(f"an output of shape {output.shape}, expected (1, C, h, w), (1, T, D) or (1, D)")


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), _TINY), np.float32)
