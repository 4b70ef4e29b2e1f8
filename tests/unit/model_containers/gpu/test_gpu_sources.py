"""Inputs that are no images, or not the images that were asked for: each fails alone, and says why."""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from model_containers.gpu.errors import ImageError
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import make_preprocessor
from model_containers.gpu.sources import CONVERTIBLE_MODES, DecodeImage, TensorImage
from model_containers.gpu.steps import Resize


def encode(image: np.ndarray[Any, np.dtype[Any]], form: str = "PNG", mode: str | None = None) -> bytes:
    """Return the bytes of a file."""
    buffer = io.BytesIO()
    picture = importlib.import_module("PIL.Image").fromarray(image)
    (picture.convert(mode) if mode else picture).save(buffer, form)
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    """Return a PNG that is all there and valid, some hundred bytes of it, and unpacks to width x height."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (b"", "empty: 0 bytes"),
        (b"this is no image at all", "no image in one of the formats JPEG, PNG"),
        (encode(NOISE)[:-200], "damaged"),
        (encode(NOISE, "JPEG")[:300], "damaged"),
        (encode(NOISE)[:60] + b"\xff" * 40 + encode(NOISE)[100:], "damaged"),
        (encode(NOISE, "TIFF"), "no image in one of the formats"),
        (encode(NOISE[:, :, 0].astype(np.uint16) * 256), "mode I;16.* without loss"),
        (bomb(20_000, 8_000), "20000 x 8000 pixels, at most 50,000,000"),
        (bomb(30_000, 30_000), "larger than any that is taken.*900000000 pixels"),
        (bomb(2**31 - 1, 2**31 - 1), "image"),
        (bomb(0, 5), "image"),
        ("text", "a value of type str, expected the bytes of an image file"),
        (None, "None, expected the bytes"),
        (NOISE, "a value of type ndarray, expected the bytes"),
    ],
    ids=["empty", "no image", "cut PNG", "cut JPEG", "broken PNG", "other format", "16 bits", "bomb", "large bomb",
         "huge bomb",
         "zero size", "text", "none", "array"],
)  # fmt: skip
def test_file_that_is_no_usable_image_is_refused(item: Any, told: str) -> None:
    with pytest.raises(ImageError, match=told):
        DecodeImage().load(item)


def test_image_at_its_limits_is_taken_and_one_beyond_is_refused() -> None:
    data = encode(NOISE)
    DecodeImage(max_pixels=600, max_bytes=len(data)).load(data)
    with pytest.raises(ImageError, match="30 x 20 pixels, at most 599"):
        DecodeImage(max_pixels=599).load(data)
    with pytest.raises(ImageError, match=f"{len(data):,} bytes, at most {len(data) - 1:,}"):
        DecodeImage(max_bytes=len(data) - 1).load(data)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("wanted", ["L", "RGB", "RGBA"])
def test_image_of_another_mode_is_converted_as_pillow_does(mode: str, wanted: str) -> None:
    image_module = importlib.import_module("PIL.Image")
    data = encode(NOISE, "JPEG" if mode == "CMYK" else "PNG", mode)
    found = DecodeImage(mode=wanted).load(data)
    expected = np.asarray(image_module.open(io.BytesIO(data)).convert(wanted)).reshape(20, 30, -1)
    np.testing.assert_array_equal(found, expected)
    assert mode in CONVERTIBLE_MODES


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_every_format_that_is_listed_is_decoded(form: str) -> None:
    assert DecodeImage().load(encode(NOISE, form)).shape == (20, 30, 3)


def test_orientation_of_a_camera_is_followed_if_asked_for() -> None:
    image_module = importlib.import_module("PIL.Image")
    picture, buffer = image_module.fromarray(NOISE), io.BytesIO()
    exif = picture.getexif()
    exif[0x0112] = 6  # turn by 90 degrees
    picture.save(buffer, "PNG", exif=exif)
    assert DecodeImage().load(buffer.getvalue()).shape == (20, 30, 3)
    np.testing.assert_array_equal(DecodeImage(orient=True).load(buffer.getvalue()), np.rot90(NOISE, -1))


@pytest.mark.parametrize(
    ("layout", "item", "told"),
    [
        ("HWC", np.zeros((5, 6, 3), np.float32), "of float32, expected uint8"),
        ("HWC", np.zeros((5, 6), np.uint8), r"shape \(5, 6\), expected HWC"),
        ("HWC", np.zeros((5, 6, 4), np.uint8), r"4 channels, expected 3 \(shape \(5, 6, 4\)\)"),
        ("CHW", np.zeros((5, 6, 3), np.uint8), "5 channels, expected 3"),
        ("HWC", np.zeros((0, 6, 3), np.uint8), "6 x 0 pixels"),
        ("WHC", np.zeros((0, 6, 3), np.uint8), "0 x 6 pixels"),
        ("HWC", np.zeros((101, 100, 3), np.uint8), "100 x 101 pixels, at most 10,000"),
        ("HWC", b"bytes", "a value of type bytes, expected an array"),
    ],
)
def test_array_that_is_not_the_image_asked_for_is_refused(layout: str, item: Any, told: str) -> None:
    source = TensorImage(layout, max_pixels=10_000)
    with pytest.raises(ImageError, match=told):
        source.load(item)
    source.load(np.zeros((3, 100, 100) if layout == "CHW" else (100, 100, 3), np.uint8))


@pytest.mark.parametrize("layout", ["HWC", "CHW", "WHC"])
def test_layouts_are_read_as_their_names_say(layout: str) -> None:
    turned = NOISE.transpose(["HWC".index(axis) for axis in layout])
    np.testing.assert_array_equal(TensorImage(layout).load(turned), NOISE)


def test_bad_inputs_of_a_batch_leave_the_others_untouched() -> None:
    pipeline = Pipeline(DecodeImage(max_pixels=1000), [Resize(8, 8)])
    good = encode(NOISE), encode(NOISE[:10, :7])
    batch = [b"", good[0], bomb(30_000, 30_000), good[1], good[0][:-200], encode(NOISE, "TIFF"), "text"]
    with_bad = make_preprocessor(pipeline, decode_threads=3).prepare(batch)
    alone = make_preprocessor(pipeline).prepare(good)
    assert with_bad.kept == (1, 3) and sorted(with_bad.errors) == [0, 2, 4, 5, 6]
    np.testing.assert_array_equal(with_bad.array, alone.array)


def test_arrays_of_many_sizes_are_prepared_beside_those_of_a_wrong_kind() -> None:
    pipeline = Pipeline(TensorImage(), [Resize(8, 8)])
    good = NOISE, NOISE[:3, :7], NOISE[:1, :1]
    batch = [good[0], NOISE.astype(np.float32), good[1], NOISE[:, :, :1], NOISE[:0], good[2], NOISE[0]]
    prepared = make_preprocessor(pipeline).prepare(batch)
    assert prepared.kept == (0, 2, 5) and sorted(prepared.errors) == [1, 3, 4, 6]
    for row, image in zip(prepared.array, good, strict=True):
        np.testing.assert_array_equal(row, make_preprocessor(pipeline).prepare([image]).array[0])


def test_batch_of_bad_inputs_alone_is_empty() -> None:
    prepared = make_preprocessor(Pipeline(DecodeImage(), [Resize(8, 8)])).prepare([b"", b"x"])
    assert prepared.array.shape == (0, 8, 8, 3) and prepared.kept == () and sorted(prepared.errors) == [0, 1]
