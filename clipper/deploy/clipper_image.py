"""The whole of Clipper as an image, made of what is installed here: supervisor, frontend, management, containers.

Its entry point is `clipper.image`: replicas are processes in it, and its run directory is a volume.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from typing import IO, Final

from clipper.deploy.base_image import BASE_PACKAGES, Say, image_changes, write_python
from clipper.deploy.image_archive import IMAGE_UID, PREFIX, ImageArchive
from clipper.version import VERSION

# What the project requires (pyproject.toml), and the client of its state store.
CLIPPER_DISTRIBUTIONS: Final = (
    "cloudpickle", "fastapi", "httptools", "httpx", "numpy", "prometheus-client", "pyzmq", "rich", "typer", "uvicorn",
    "uvloop", "redis",
)  # fmt: skip
DEFAULT_REPOSITORY: Final = "clipper/clipper"
RUN_DIR: Final = "/var/lib/clipper"
# The container's address is not known, and whoever starts it chooses which ports are published, and to whom.
VARIABLES: Final = {
    "CLIPPER_RUN_DIR": RUN_DIR,
    "CLIPPER_LISTEN__QUERY_HOST": "0.0.0.0",
    "CLIPPER_LISTEN__MANAGEMENT_HOST": "0.0.0.0",
}
HEALTH_COMMAND: Final = ("python3", "-m", "clipper.image.health")
_COMMAND: Final = """#!/usr/local/bin/python3
import sys

from clipper.cli import main

sys.exit(main())
"""


def default_clipper_image() -> str:
    """Return the name of the image of this version of Clipper."""
    return f"{DEFAULT_REPOSITORY}:{VERSION}"


def clipper_changes() -> list[str]:
    """Return what Docker is told of the image beside its files; `compose/Dockerfile` says the same."""
    return [
        *image_changes(),
        *(f"ENV {name}={value}" for name, value in VARIABLES.items()),
        f"VOLUME {RUN_DIR}",
        "EXPOSE 1337",  # a line for one port, as podman takes it
        "EXPOSE 1338",
        f"ENTRYPOINT {json.dumps(['python3', '-m', 'clipper.image'])}",
        f"CMD {json.dumps(['start'])}",
        f"HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD {json.dumps(list(HEALTH_COMMAND))}",
    ]


def write_clipper_image(
    target: IO[bytes], distributions: Sequence[str] = CLIPPER_DISTRIBUTIONS, say: Say = print
) -> None:
    """Write the tar archive of the image's root directory; parameters and errors as of `write_base_image`."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        image = ImageArchive(archive)
        # A volume takes over what its directory is in the image: Clipper's alone.
        image.directory(RUN_DIR.lstrip("/"), 0o700, IMAGE_UID)
        image.text(f"{PREFIX}/bin/clipper", _COMMAND, 0o755)
        write_python(image, distributions, (*BASE_PACKAGES, "clipper"), say)
