"""How a model in the caller's process becomes files that a container opens: one small file a framework.

A deployer runs in the caller's process. What it writes is opened only inside the container. `register_deployer` adds
one of your own::

    class XgboostDeployer:
        container = "xgboost"                       # a program of Clipper.start(containers={"xgboost": [...]})

        def accepts(self, model):
            return type(model).__module__.startswith("xgboost.")

        def save(self, model, directory):
            model.save_model(directory / "model.ubj")

    register_deployer(XgboostDeployer())
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from clipper.deployers.image_classifier import ImageClassifierDeployer
from clipper.deployers.pickling import save_pickle
from clipper.deployers.python_function import PythonFunctionDeployer
from clipper.deployers.sklearn import SklearnDeployer
from clipper.errors import InvalidArgumentError

__all__ = [
    "Deployer",
    "ImageClassifierDeployer",
    "PythonFunctionDeployer",
    "SklearnDeployer",
    "find_deployer",
    "register_deployer",
    "save_pickle",
    "unregister_deployer",
]


class Deployer(Protocol):
    """Ships one kind of model."""

    @property
    def container(self) -> str:
        """The container that opens the files."""

    def accepts(self, model: Any) -> bool:
        """Whether ``model`` is of this kind. Asked for every model, so it imports nothing and raises nothing."""

    def save(self, model: Any, directory: Path) -> None:
        """Write the model's files into ``directory``, which is empty.

        Raises
        ------
        InvalidArgumentError
            The model cannot be shipped; says which part of it and why.
        """


# Asked in this order: any estimator with __call__ would do as a function, too.
_deployers: list[Deployer] = [ImageClassifierDeployer(), SklearnDeployer(), PythonFunctionDeployer()]


def register_deployer(deployer: Deployer) -> None:
    """Let `deploy_model` use a deployer, before all others; one of the same container is replaced.

    Raises
    ------
    InvalidArgumentError
        It lacks a part of the interface.
    """
    lacking = [name for name in ("accepts", "save") if not callable(getattr(deployer, name, None))]
    if not isinstance(getattr(deployer, "container", None), str):
        lacking.insert(0, "container")
    if lacking or isinstance(deployer, type):
        raise InvalidArgumentError(
            f"{deployer!r} is no deployer: it lacks {', '.join(lacking) or 'an instance'}",
            hint="a deployer has container (a name), accepts(model) and save(model, directory)",
        )
    unregister_deployer(deployer.container)
    _deployers.insert(0, deployer)


def unregister_deployer(container: str) -> None:
    """Forget the deployer of a container, if there is one."""
    _deployers[:] = [deployer for deployer in _deployers if deployer.container != container]


def find_deployer(model: Any, container: str | None = None) -> Deployer:
    """Return the deployer for ``model``, or the one of the named container.

    Raises
    ------
    InvalidArgumentError
        Nobody knows how to ship such a model.
    """
    for deployer in _deployers:
        if deployer.container == container or (container is None and deployer.accepts(model)):
            return deployer
    if isinstance(model, type):
        raise InvalidArgumentError(
            f"{model.__qualname__} is a class; expected a model, which is an object",
            hint=f"make one first: model = {model.__qualname__}(...), fitted if it learns",
        )
    known = ", ".join(deployer.container for deployer in _deployers)
    raise InvalidArgumentError(
        f"a model of type {type(model).__qualname__!r} cannot be deployed"
        + (f" to {container!r}" if container else ""),
        hint=f"give a function of a list of inputs, or a fitted scikit-learn estimator; deployers: {known}",
    )
