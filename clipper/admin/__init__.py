"""The Python API of the original system, on this one: a script that was written for ``clipper_admin`` needs a new
import line and nothing else::

    from clipper.admin import ClipperConnection, DockerContainerManager
    from clipper.admin.deployers import python as python_deployer

Names, arguments, their order and the exceptions are the original's; `ProcessContainerManager` takes the same ones and
needs no Docker. What differs is told in docs/compatibility.md.
"""

from __future__ import annotations

from clipper import __version__
from clipper.admin import deployers
from clipper.admin.connection import ClipperConnection
from clipper.admin.container_manager import ContainerManager
from clipper.admin.docker_manager import DockerContainerManager
from clipper.admin.exceptions import ClipperException, UnconnectedException
from clipper.admin.process_manager import ProcessContainerManager

# Scripts build image names of it: f"{__registry__}/noop-container:{__version__}".
__registry__ = "clipper"

__all__ = [
    "ClipperConnection",
    "ClipperException",
    "ContainerManager",
    "DockerContainerManager",
    "ProcessContainerManager",
    "UnconnectedException",
    "__registry__",
    "__version__",
    "deployers",
]
