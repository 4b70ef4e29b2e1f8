"""Docker images: the few whose program we have, and a clear no where Docker is not."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NoReturn

from clipper.admin.exceptions import ClipperException
from clipper.admin.names import CONTAINERLESS_MODEL_IMAGE
from clipper.deploy.containers import IMAGE_PREFIX

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
    found = _program_of(image, own)
    if found is not None:
        return found
    base = _base_of(image)
    known = ", ".join(sorted({*own, *_BUILT_IN}))
    raise ClipperException(
        f"There is no container for the image {image!r}: ProcessContainerManager runs programs, and images come with "
        f"Docker. Give it the program, ProcessContainerManager(containers={{{base!r}: [...]}}), or name one it has: "
        f"{known}; or use DockerContainerManager"
    )


def image_of(image: str, own: Collection[str]) -> str:
    """Return the container by which Docker runs an image: one of the named programs, or the image itself."""
    return _program_of(image, own) or f"{IMAGE_PREFIX}{image}"


def _program_of(image: str, own: Collection[str]) -> str | None:
    if not isinstance(image, str) or not image:
        raise ClipperException(f"The image is {image!r}; expected the name of a container")
    if image in own or image in _BUILT_IN:
        return image
    base = _base_of(image)
    return base if base in own else _OF_IMAGE.get(base)


def _base_of(image: str) -> str:
    return re.sub(r":[\w.-]+$", "", image).rsplit("/", 1)[-1]


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
