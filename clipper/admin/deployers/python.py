"""Deploy a Python function, with the original's arguments and the original's idea of inputs and outputs.

The function gets a list of inputs (numpy arrays, or ``str``), and each output goes through ``str``: an output that
spells a JSON value becomes that value, any other a JSON string.
"""

from __future__ import annotations

import importlib.metadata
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from clipper.admin.connection import ClipperConnection
from clipper.admin.exceptions import ClipperException, told_as_original
from clipper.admin.names import DEFAULT_BATCH_SIZE, check_versioned_name
from clipper.registry.names import check_input_type
from model_containers.python_function.original import OriginalFunction

_logger = logging.getLogger(__name__)
_PACKAGE: Final = re.compile(r"[A-Za-z0-9][\w.-]*")


def create_endpoint(
    clipper_conn: ClipperConnection,
    name: str,
    input_type: str,
    func: Callable[[Any], Any],
    default_output: str = "None",
    version: object = 1,
    slo_micros: int = 3_000_000,
    labels: Sequence[str] | None = None,
    registry: str | None = None,
    base_image: str = "default",
    num_replicas: int = 1,
    batch_size: int = DEFAULT_BATCH_SIZE,
    pkgs_to_install: Sequence[str] | None = None,
) -> None:
    """Register an application, deploy a function under the same name, and link them.

    See `deploy_python_closure` for ``registry``, ``base_image`` and ``pkgs_to_install``.
    """
    clipper_conn.register_application(name, input_type, default_output, slo_micros)
    deploy_python_closure(
        clipper_conn, name, version, input_type, func, base_image, labels, registry, num_replicas, batch_size,
        pkgs_to_install,
    )  # fmt: skip
    clipper_conn.link_model_to_app(name, name)


def deploy_python_closure(
    clipper_conn: ClipperConnection,
    name: str,
    version: object,
    input_type: str,
    func: Callable[[Any], Any],
    base_image: str = "default",
    labels: Sequence[str] | None = None,
    registry: str | None = None,
    num_replicas: int = 1,
    batch_size: int = DEFAULT_BATCH_SIZE,
    pkgs_to_install: Sequence[str] | None = None,
) -> None:
    """Deploy a function of a list of inputs, with all it refers to, and return when it answers.

    Parameters
    ----------
    base_image, registry : str
        No effect, with a warning: the container is a process of this Python.
    pkgs_to_install : list of str, optional
        Packages that the function imports. They must be installed here: nothing is installed for you.

    Raises
    ------
    ClipperException
        It cannot be pickled, a package is missing, the version exists, or its container failed; nothing is left of it.
    """
    check_versioned_name(name, str(version))
    for argument, value, default in (("base_image", base_image, "default"), ("registry", registry, None)):
        if value != default:
            _logger.warning("%s=%r has no effect: the container is a process of this Python", argument, value)
    _require_packages(pkgs_to_install or ())
    if not callable(func):
        raise ClipperException(f"func={func!r:.200} cannot be called; expected a function of a list of inputs")
    with told_as_original():
        function = OriginalFunction(func, check_input_type(input_type))
    clipper_conn.deploy_function(name, version, input_type, function, labels, num_replicas, batch_size)


def _require_packages(packages: Sequence[str]) -> None:
    """Refuse a list with a package that is not installed here; versions are not compared."""
    if isinstance(packages, str):
        raise ClipperException(f"pkgs_to_install={packages!r}; expected a list of packages")
    for package in packages:
        match = _PACKAGE.match(package)
        try:
            found = importlib.metadata.version(match[0] if match else package)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            raise ClipperException(
                f"pkgs_to_install has {package!r}, which is not installed here. Containers are processes of this "
                f"Python, and nothing is installed for them: pip install {package!r}"
            ) from None
        _logger.info("pkgs_to_install: %s is here, version %s", package, found)
