"""Pipelines: what does not fit together is refused when they are made, and they survive JSON."""

from __future__ import annotations

import json
import pickle

import pytest

from model_containers.gpu.errors import ImageError, PipelineError
from model_containers.gpu.pipeline import Pipeline, pipeline_from_json, pipeline_to_json
from model_containers.gpu.pixel_types import MAX_CHANNELS, MAX_SIDE
from model_containers.gpu.sources import DecodeImage, TensorImage
from model_containers.gpu.steps import (
    MAX_RESIZED_PIXELS,
    Cast,
    CenterCrop,
    ConvertColor,
    Normalize,
    Pad,
    Resize,
    Step,
    ToChannelsFirst,
)
from tests.support.gpu_cases import CASES


@pytest.mark.parametrize("name", CASES)
def test_pipeline_is_the_same_after_json_and_pickle(name: str) -> None:
    pipeline = CASES[name]
    again = pipeline_from_json(pipeline_to_json(pipeline))
    assert pipeline_to_json(again) == pipeline_to_json(pipeline)
    assert again.result_shape == pipeline.result_shape
    assert pickle.loads(pickle.dumps(pipeline)) == pipeline


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([], "different sizes"),
        ([Resize(shortest=5)], "different sizes"),
        ([ToChannelsFirst(), Resize(5, 5)], "step 1, ToChannelsFirst: .* last step"),
        ([Resize(5, 5), CenterCrop(6, 5)], "step 2, CenterCrop: CenterCrop cannot succeed"),
        ([Resize(5, 5), Pad(4, 9)], "step 2, Pad: Pad cannot succeed"),
        ([ConvertColor("rgba_to_rgb"), Resize(5, 5)], "takes 4 channels, the image has 3"),
        ([Normalize((1, 2)), Resize(5, 5)], "the mean of Normalize has 2 values for 3 channels"),
        ([Normalize(std=(1, 2)), Resize(5, 5)], "the std of Normalize has 2 values for 3 channels"),
        ([Pad(9, 9, (1, 2))], "the fill of Pad has 2 values for 3 channels"),
        ([Pad(9, 9, (256,))], "fills uint8 images with .* expected whole 0 to 255"),
        ([Pad(9, 9, (0.5,))], "expected whole 0 to 255"),
        (["resize"], "one source and steps"),
    ],
)
def test_steps_that_do_not_fit_are_refused_with_their_number(steps: list[Step], told: str) -> None:
    with pytest.raises(PipelineError, match=told):
        Pipeline(TensorImage(), steps)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Cast("int8"), "expected one of uint8, uint16, float16, float32"),
        (lambda: ConvertColor("rgb_to_hsv"), "no conversion 'rgb_to_hsv'"),
        (lambda: Resize(), "height and width, or shortest, or longest"),
        (lambda: Resize(5), "height and width, or shortest"),
        (lambda: Resize(5, 5, shortest=5), "height and width, or shortest"),
        (lambda: Resize(5, 5, filter="lanczos"), "no filter 'lanczos'"),
        (lambda: Resize(0, 5), "sides of 1 to"),
        (lambda: Resize(longest=MAX_SIDE + 1), "sides of 1 to"),
        (lambda: CenterCrop(5, -1), "sides of 1 to"),
        (lambda: Pad(5, True), "sides of 1 to"),
        (lambda: Pad(5, 5, anchor="middle"), "expected center or top_left"),
        (lambda: Normalize(std=(0.0,)), "expected positive"),
        (lambda: Normalize(divisor=-1), "expected positive"),
        (lambda: DecodeImage(mode="HSV"), "expected one of L, RGB, RGBA"),
        (lambda: DecodeImage(max_pixels=0), "limits of DecodeImage"),
        (lambda: TensorImage(layout="CWH"), "expected one of HWC"),
        (lambda: TensorImage(layout="HW"), "layout HW has 1 channel"),
        (lambda: TensorImage(channels=MAX_CHANNELS + 1), "expected 1 to"),
        (lambda: TensorImage(max_pixels=0), "max_pixels must be positive"),
    ],
)
def test_parameter_out_of_range_is_refused_with_what_was_expected(make: type[Step], told: str) -> None:
    with pytest.raises(PipelineError, match=told):
        make()


@pytest.mark.parametrize("side", [1, MAX_SIDE])
def test_side_at_the_edge_of_its_range_is_taken(side: int) -> None:
    assert Pipeline(TensorImage(), [Resize(side, 1)]).result_shape == (side, 1, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "a pipeline is"),
        ('{"source": {"type": "tensor_image"}}', "a pipeline is"),
        ('{"source": {"type": "camera"}, "steps": []}', "source is of type 'camera', expected one of decode_image"),
        ('{"source": 5, "steps": []}', "source is of type None"),
        ('{"source": {"type": "tensor_image"}, "steps": [{"type": []}]}', "step 1 is of type"),
        ('{"source": {"type": "tensor_image"}, "steps": [{"type": "resize", "hight": 5}]}', "no parameter 'hight'"),
        ('{"source": {"type": "tensor_image"}, "steps": [{"type": "center_crop"}]}', "step 1, center_crop: .*height"),
        (
            '{"source": {"type": "tensor_image"}, "steps": [{"type": "pad", "height": 5, "width": 5, "fill": "x"}]}',
            "pad",
        ),
        (
            '{"source": {"type": "tensor_image"}, "steps": [{"type": "resize", "height": "5", "width": 5}]}',
            "sides of 1",
        ),
    ],
)
def test_pipeline_in_json_that_is_wrong_is_refused_with_where(text: str, told: str) -> None:
    with pytest.raises(PipelineError, match=told):
        pipeline_from_json(text)


def test_json_of_a_pipeline_holds_every_parameter() -> None:
    content = json.loads(pipeline_to_json(Pipeline(DecodeImage(), [Resize(5, 6)])))
    assert content["steps"] == [
        {"type": "resize", "height": 5, "width": 6, "shortest": None, "longest": None, "filter": "bilinear",
         "antialias": True}
    ]  # fmt: skip
    assert content["source"]["formats"] == ["JPEG", "PNG", "WEBP", "BMP", "GIF"]


def test_resize_to_the_shortest_side_of_a_strip_stays_within_the_limit_of_pixels() -> None:
    pipeline = Pipeline(TensorImage(), [Resize(shortest=256), CenterCrop(5, 5)])
    edge = MAX_RESIZED_PIXELS // 256 // 256
    pipeline.geometry(1, edge)
    with pytest.raises(ImageError, match="more than 64,000,000 pixels"):
        pipeline.geometry(1, edge + 977)


@pytest.mark.parametrize(
    ("step", "size", "told"),
    [
        (CenterCrop(10, 10), (9, 10), "10 x 9 pixels is smaller than the crop of 10 x 10"),
        (Pad(10, 10), (10, 11), "11 x 10 pixels is larger than 10 x 10"),
    ],
)
def test_image_that_does_not_fit_a_window_fails_by_its_size(step: Step, size: tuple[int, int], told: str) -> None:
    with pytest.raises(ImageError, match=told):
        Pipeline(TensorImage(), [step]).geometry(*size)
    Pipeline(TensorImage(), [step]).geometry(10, 10)


def test_proportions_and_the_middle_are_as_torchvision_has_them() -> None:
    # torchvision.transforms.Resize(256) and CenterCrop(224) of an image of 375 x 500: 256 x 341, then at 16 and 58.
    pipeline = Pipeline(TensorImage(), [Resize(shortest=256), CenterCrop(224, 224)])
    resized, cropped = pipeline.geometry(375, 500)
    assert (resized.height, resized.width) == (256, 341)
    assert (cropped.top, cropped.left) == (16, 58)
