"""How a model in the caller's process becomes files that a container opens: one small file a framework.

A deployer runs in the caller's process. What it writes is opened only inside the container.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from clipper.deploy.deployers.python_function import PythonFunctionDeployer
from clipper.deploy.deployers.sklearn import SklearnDeployer
from clipper.errors import InvalidArgumentError


class Deployer(Protocol):
    """Ships one kind of model."""

    @property
    def container(self) -> str:
        """The container that opens the files."""

    def accepts(self, model: Any) -> bool:
        """Whether ``model`` is of this kind."""

    def save(self, model: Any, directory: Path) -> None:
        """Write the model's files into ``directory``, which is empty.

        Raises
        ------
        InvalidArgumentError
            The model cannot be shipped; says which part of it and why.
        """


_DEPLOYERS: tuple[Deployer, ...] = (SklearnDeployer(), PythonFunctionDeployer())


def find_deployer(model: Any, container: str | None = None) -> Deployer:
    """Return the deployer for ``model``, or the one of the named container.

    Raises
    ------
    InvalidArgumentError
        Nobody knows how to ship such a model.
    """
    for deployer in _DEPLOYERS:
        if deployer.container == container or (container is None and deployer.accepts(model)):
            return deployer
    known = ", ".join(deployer.container for deployer in _DEPLOYERS)
    raise InvalidArgumentError(
        f"a model of type {type(model).__qualname__!r} cannot be deployed"
        + (f" to {container!r}" if container else ""),
        hint=f"give a function of a list of inputs, or a fitted scikit-learn estimator; deployers: {known}",
    )
