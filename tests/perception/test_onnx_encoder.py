"""An encoder out of an ONNX file: vectors, layers, padding, bad files."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import ConfigError, StageFailed
from pipeline.perception.encoder import load_encoder
from pipeline.perception.onnx_encoder import OnnxEncoder
from pipeline.settings import PerceptionSettings
from tests.support.perception import with_box, yard

SETTINGS = PerceptionSettings(threads=1)
YOLOX = Path("weights") / "yolox_nano.onnx"


@pytest.fixture(scope="module")
def encoder(shared: Path) -> OnnxEncoder:
    made = OnnxEncoder(str(shared / YOLOX), SETTINGS)
    made.warm_up()
    return made


@pytest.mark.shared
def test_the_site_file_names_it(shared: Path) -> None:
    """`models.encoder: onnx:PATH#LAYER` is an encoder that reads no words, of any picture's size."""
    made = load_encoder(f"onnx:{shared / YOLOX}#onnx_node!Mul_208", SETTINGS)
    assert isinstance(made, OnnxEncoder)
    assert (made.model_id, made.supports_text) == ("onnx:yolox_nano.onnx#onnx_node!Mul_208", False)
    made.warm_up()
    assert made.input_side_px == 416
    assert made.encode_images([yard(64, 40)]).shape == (1, 64)


@pytest.mark.shared
def test_a_detector_gives_the_last_maps_of_its_neck(encoder: OnnxEncoder) -> None:
    """Of YOLOX without a layer: 64, 128 and 256 channels at strides 8, 16 and 32, one unit vector a picture."""
    assert encoder._read == ("onnx_node!Mul_246", "onnx_node!Mul_272", "onnx_node!Mul_298")
    vectors = encoder.encode_images([yard(), yard(90, 200)])
    assert (vectors.shape, vectors.dtype) == ((2, 64 + 128 + 256), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.shared
def test_like_pictures_are_near(encoder: OnnxEncoder) -> None:
    """A picture, its copy at another size, and another picture: the copy is nearer than the other."""
    small = np.asarray(cv2.resize(yard(), (240, 180), interpolation=cv2.INTER_AREA), np.uint8)
    own, copy, other = encoder.encode_images([yard(), small, with_box(yard(), 80, 60, 120, 160)])
    assert own @ copy > 0.97
    assert own @ copy > own @ other


@pytest.mark.shared
def test_padding_does_not_count(encoder: OnnxEncoder) -> None:
    """A narrow strip, of whose letterbox most is grey, is nearer to its own picture than to a grey one."""
    strip = np.ascontiguousarray(yard()[:, :60])
    narrow, whole, grey = encoder.encode_images([strip, yard(), np.full((240, 320, 3), 114, np.uint8)])
    assert narrow @ whole > narrow @ grey


@pytest.mark.shared
def test_no_pictures_give_no_vectors(encoder: OnnxEncoder) -> None:
    """An empty call is answered."""
    assert encoder.encode_images([]).shape == (0, 0)


@pytest.mark.shared
def test_several_threads_get_their_own_vectors(encoder: OnnxEncoder) -> None:
    """Each caller's picture gives what it gives alone."""
    pictures = [np.full((60, 60, 3), 60 * number, np.uint8) for number in range(4)]
    alone = [encoder.encode_images([picture])[0] for picture in pictures]
    found: dict[int, np.ndarray] = {}

    def call(number: int) -> None:
        found[number] = encoder.encode_images([pictures[number]] * 3)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, vector in enumerate(alone):
        assert found[number] == pytest.approx(np.stack([vector] * 3), abs=1e-5)


@pytest.mark.shared
def test_any_network_of_pictures_will_do(shared: Path) -> None:
    """Of one that is no YOLOX the output is the vector."""
    made = OnnxEncoder(str(shared / "weights" / "face_RFB-320.onnx"), SETTINGS)
    made.warm_up()
    assert made.encode_images([yard()]).shape[0] == 1
    assert made.input_side_px == 240


@pytest.mark.shared
def test_words_are_refused(encoder: OnnxEncoder) -> None:
    """It says which models read words."""
    with pytest.raises(ConfigError, match="name a CLIP or SigLIP model"):
        encoder.encode_texts(["a fall"])


@pytest.mark.shared
def test_a_layer_that_is_not_there_is_refused(shared: Path) -> None:
    """At the start, by name."""
    with pytest.raises(ConfigError, match="with layer nowhere"):
        OnnxEncoder(f"{shared / YOLOX}#nowhere", SETTINGS).warm_up()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A path to nothing is a configuration error that names it."""
    with pytest.raises(ConfigError, match=r"missing\.onnx, found no such file"):
        OnnxEncoder(str(tmp_path / "missing.onnx"), SETTINGS).warm_up()


@pytest.mark.parametrize("content", [b"", b"not a model"], ids=["empty", "text"])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no ONNX are a configuration error."""
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ConfigError, match="expected an ONNX network"):
        OnnxEncoder(str(tmp_path / "model.onnx"), SETTINGS).warm_up()


@pytest.mark.shared
def test_used_cold_or_closed_it_fails_the_stage(shared: Path) -> None:
    """Before `warm_up` and after `close`, which may be called twice."""
    made = OnnxEncoder(str(shared / YOLOX), SETTINGS)
    made.close()
    made.close()
    with pytest.raises(StageFailed, match="used before warm_up or after close"):
        made.encode_images([yard()])
