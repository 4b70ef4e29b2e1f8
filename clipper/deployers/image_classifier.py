"""An ONNX classifier of images with its preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipper.errors import InvalidArgumentError
from model_containers.image_classifier import ImageClassifier


class ImageClassifierDeployer:
    """Ships `model_containers.image_classifier.ImageClassifier`."""

    container = "image_classifier"

    def accepts(self, model: Any) -> bool:
        """Whether it is one."""
        return isinstance(model, ImageClassifier)

    def save(self, model: Any, directory: Path) -> None:
        """Copy the network and write the pipeline beside it.

        Raises
        ------
        InvalidArgumentError
            The network's file is not there.
        """
        if not isinstance(model, ImageClassifier):
            raise InvalidArgumentError(
                f"a {type(model).__qualname__} is no ImageClassifier",
                hint="from model_containers.image_classifier import ImageClassifier",
            )
        if not Path(model.network).is_file():
            raise InvalidArgumentError(
                f"there is no network {str(model.network)!r}", hint="give the path of an ONNX file"
            )
        model.save(directory)
