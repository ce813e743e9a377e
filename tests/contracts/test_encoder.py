"""One suite for every kind of encoder: tiny models of random weights, made on the spot, and the built-in one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.contracts.observation import Encoder
from pipeline.errors import ConfigError, StageFailed
from pipeline.perception.builtin import BuiltinEncoder
from pipeline.perception.encoder import TransformersEncoder, load_encoder
from pipeline.settings import PerceptionSettings
from tests.support.perception import make_clip, make_dinov2, make_siglip, make_siglip2, yard

pytestmark = pytest.mark.models
MAKERS = {"clip": make_clip, "siglip": make_siglip, "siglip2": make_siglip2, "dinov2": make_dinov2}
of_transformers = pytest.mark.parametrize("encoder", list(MAKERS), indirect=True)
"""What is compared with the model behind it."""


@pytest.fixture(scope="module", params=[*MAKERS, "builtin"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encoder]:
    spec = request.param
    if spec in MAKERS:
        folder = tmp_path_factory.mktemp(spec) / spec
        MAKERS[spec](folder)
        spec = str(folder)
    encoder = load_encoder(spec, PerceptionSettings(batch_size=2, device="cpu"))
    assert encoder is not None
    encoder.warm_up()
    yield encoder
    encoder.close()
    encoder.close()


def test_images_become_unit_rows_in_order(encoder: Encoder) -> None:
    """Images of any size become float32 rows of unit length, the same alone as in a batch."""
    images = [yard(), yard()[:30, ::-1].copy(), np.full((1, 1, 3), 200, np.uint8)]
    rows = encoder.encode_images(images)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    alone = np.concatenate([encoder.encode_images([image]) for image in images])
    assert rows == pytest.approx(alone, abs=1e-4)  # float32 sums in another order
    assert np.abs(rows[0] - rows[1]).max() > 1e-3


def test_fixed_shapes_change_no_answer(tmp_path: Path) -> None:
    """Filled up to 1, 2, 4 or at most 6 images, the model meets these shapes alone, and answers as it would without."""
    make_siglip(tmp_path)
    settings = PerceptionSettings(batch_size=6, device="cpu")
    fixed, free = (
        TransformersEncoder(str(tmp_path), settings, fixed_shapes=True),
        TransformersEncoder(str(tmp_path), settings),
    )
    for one in (fixed, free):
        one.warm_up()
    met: set[int] = set()
    fixed._loaded.model.vision_model.register_forward_pre_hook(  # type: ignore[union-attr]
        lambda _, args, kwargs: met.add(len(kwargs["pixel_values"])), with_kwargs=True
    )
    images = [np.roll(yard(), 20 * number, axis=1) for number in range(13)]
    for count in range(1, 14):
        rows = fixed.encode_images(images[:count])
        assert rows == pytest.approx(free.encode_images(images[:count]), abs=1e-4)  # float32 sums in another order
    assert met == {1, 2, 4, 6}
    assert fixed._batch_sizes == (1, 2, 4, 6)
    assert free._batch_sizes == ()  # on a CPU images that nobody wants would cost time
    for one in (fixed, free):
        one.close()


def test_several_threads_get_their_own_answers(encoder: Encoder) -> None:
    """Images and words asked for at the same time by several threads come out as they do alone."""
    images = [np.roll(yard(), 40 * number, axis=1) for number in range(4)]
    expected = encoder.encode_images(images)
    texts = [f"a dog {number}" for number in range(8)] if encoder.supports_text else []
    with ThreadPoolExecutor(4) as pool:
        shifts = [number % 4 for number in range(12)]
        answers = [pool.submit(encoder.encode_images, images[shift:]) for shift in shifts]
        words = [pool.submit(encoder.encode_texts, [text]) for text in texts]
        for shift, answer in zip(shifts, answers, strict=True):
            assert answer.result() == pytest.approx(expected[shift:], abs=1e-4)
        assert all(len(word.result()) == 1 for word in words)


def test_the_input_side_is_the_models(encoder: Encoder) -> None:
    """The side a picture is reduced to is known where the model has one size."""
    if isinstance(encoder, BuiltinEncoder):
        assert encoder.input_side_px == 96  # it looks at a whole frame as 160x96
        return
    loaded = encoder._loaded  # type: ignore[attr-defined]
    assert encoder.input_side_px == (None if loaded.model.config.model_type == "siglip2" else 32)


def test_three_rows_of_pixels_are_not_three_channels(encoder: Encoder) -> None:
    """A frame three pixels high is an image like any other."""
    assert encoder.encode_images([np.zeros((3, 40, 3), np.uint8)]).shape[0] == 1


def test_no_images_give_no_rows(encoder: Encoder) -> None:
    """An empty batch is allowed."""
    assert len(encoder.encode_images([])) == 0


def test_texts_share_the_space_of_images(encoder: Encoder) -> None:
    """Texts of any length become unit rows as wide as the images', or are refused with the way out."""
    texts = ["a person climbs the fence", "a dog", "a dog " * 100]
    if not encoder.supports_text:
        with pytest.raises(ConfigError, match="CLIP or SigLIP"):
            encoder.encode_texts(texts)
        return
    rows = encoder.encode_texts(texts)
    assert rows.shape == (3, encoder.encode_images([yard()]).shape[1])
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_text_means_the_same_in_any_company(encoder: Encoder) -> None:
    """Padding to the longest text of a batch does not change the others, and the cache gives the same back."""
    if not encoder.supports_text:
        return
    together = encoder.encode_texts(["the fence", "a person climbs the fence", "the fence"])
    assert together[0] == pytest.approx(encoder.encode_texts(["the fence"])[0], abs=1e-5)
    assert (together[0] == together[2]).all()


@of_transformers
def test_logit_scale_is_linear(encoder: Encoder) -> None:
    """CLIP's and SigLIP's factor comes as it multiplies, not as its logarithm; 1 where there is none."""
    import torch

    model = encoder._loaded.model  # type: ignore[attr-defined]  # the truth to compare with
    expected = float(torch.exp(model.logit_scale)) if hasattr(model, "logit_scale") else 1.0
    assert encoder.logit_scale == pytest.approx(expected)


@of_transformers
def test_features_are_the_models_own(encoder: Encoder) -> None:
    """The rows are what the model itself gives for what its processor makes of the image."""
    import torch

    loaded = encoder._loaded  # type: ignore[attr-defined]  # the truth to compare with
    inputs = loaded.image_processor(yard(), return_tensors="pt")
    with torch.no_grad():
        model = loaded.model
        output = model.get_image_features(**inputs) if encoder.supports_text else model(**inputs)
    expected = torch.nn.functional.normalize(output.pooler_output, dim=1).numpy()
    assert encoder.encode_images([yard()]) == pytest.approx(expected, abs=1e-5)


@of_transformers
def test_siglip_texts_are_padded_to_full_length(encoder: Encoder) -> None:
    """SigLIP reads a short text at its full length, as it was trained; CLIP needs no padding."""
    loaded = encoder._loaded  # type: ignore[attr-defined]
    if encoder.supports_text:
        is_siglip = loaded.model.config.model_type in {"siglip", "siglip2"}
        assert loaded.text_inputs(["a dog"])["input_ids"].shape == (1, 16 if is_siglip else 2)


@of_transformers
def test_a_broken_device_fails_the_stage(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames are not to blame: they are offered again when the worker has started anew."""

    def fail(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    model = encoder._loaded.model  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "get_image_features" if hasattr(model, "get_image_features") else "forward", fail)
    with pytest.raises(StageFailed, match="illegal memory access"):
        encoder.encode_images([np.zeros((8, 8, 3), np.uint8)])


def test_using_a_closed_encoder_fails_the_stage(tmp_path: Path) -> None:
    """An encoder that is not warm says so instead of failing somewhere inside."""
    encoder = load_encoder(str(tmp_path), PerceptionSettings())
    assert encoder is not None
    with pytest.raises(StageFailed, match="warm_up"):
        encoder.encode_images([yard()])


@pytest.mark.parametrize("spec", ["./no-such-folder", "/no/such/folder", "a/b/c"])
def test_a_missing_folder_is_refused(spec: str) -> None:
    """A path to nothing is a configuration error, and nothing is asked of the network."""
    encoder = load_encoder(spec, PerceptionSettings())
    assert encoder is not None
    with pytest.raises(ConfigError, match=r"models\.encoder: expected a model's folder"):
        encoder.warm_up()


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """A folder with no model in it is a configuration error that says what was expected."""
    encoder = load_encoder(str(tmp_path), PerceptionSettings())
    assert encoder is not None
    with pytest.raises(ConfigError, match=r"config\.json"):
        encoder.warm_up()


def test_an_unreachable_hub_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id that cannot be downloaded refuses to start."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    encoder = load_encoder("nobody/never-cached", PerceptionSettings())
    assert encoder is not None
    with pytest.raises(ConfigError, match="cannot load nobody/never-cached"):
        encoder.warm_up()


def test_torch_missing_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch the message says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    encoder = load_encoder(str(tmp_path), PerceptionSettings())
    assert encoder is not None
    with pytest.raises(ConfigError, match=r"pip install sightline\[models\]"):
        encoder.warm_up()


def test_none_is_no_encoder() -> None:
    """`none` gives no encoder."""
    assert load_encoder("none", PerceptionSettings()) is None
