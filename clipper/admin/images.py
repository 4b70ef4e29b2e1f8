"""Docker images, which this container manager does not have: the few whose program we have, and a clear no."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NoReturn

from clipper.admin.exceptions import ClipperException
from clipper.admin.names import CONTAINERLESS_MODEL_IMAGE

# The original's images without a model of the user's, by the last part of their names.
_OF_IMAGE: Final = {"noop-container": "noop", "sum-container": "sum", "python-noop-container": "noop"}
_BUILT_IN: Final = frozenset({"noop", "sum", "simulated"})


def container_of(image: str, own: Collection[str]) -> str:
    """Return the container that runs what an image runs.

    Parameters
    ----------
    own : collection of str
        The names of the programs that were given to the container manager.

    Raises
    ------
    ClipperException
        There is none.
    """
    if not isinstance(image, str):
        raise ClipperException(f"The image is {image!r}; expected the name of a container")
    if image in own or image in _BUILT_IN:
        return image
    base = re.sub(r":[\w.-]+$", "", image).rsplit("/", 1)[-1]
    if base in own:
        return base
    if base in _OF_IMAGE:
        return _OF_IMAGE[base]
    known = ", ".join(sorted({*own, *_BUILT_IN}))
    raise ClipperException(
        f"There is no container for the image {image!r}: ProcessContainerManager runs programs, and images come with "
        f"Docker. Give it the program, ProcessContainerManager(containers={{{base!r}: [...]}}), or name one it has: "
        f"{known}"
    )


def refuse_to_build(name: str, version: str) -> NoReturn:
    """Raise what `build_model` has to say without Docker."""
    raise ClipperException(
        f"The model {name}:{version} cannot be built into an image: images come with Docker, and "
        "ProcessContainerManager has none. Deploy the function with clipper.admin.deployers.python, or the model with "
        "clipper.Clipper.deploy_model"
    )


def is_containerless(image: str | None) -> bool:
    """Whether a model was registered for containers that are started by hand."""
    return image in (None, "", CONTAINERLESS_MODEL_IMAGE)
