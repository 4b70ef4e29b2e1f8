"""Pickle what a container will need, code of the caller's own included."""

from __future__ import annotations

import contextlib
import importlib.metadata
import site
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

import cloudpickle  # type: ignore[import-untyped]  # it ships no types

from clipper.deployers.unpicklable import find_unpicklable
from clipper.errors import InvalidArgumentError

_INSTALLED: Final = tuple(
    Path(path).resolve()
    for path in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
    )
)
# Importable in every container, wherever they lie.
_OURS: Final = ("clipper", "model_containers")


def save_pickle(value: Any, path: Path) -> None:
    """Write ``value`` so that a container with the same installed packages can open it.

    What is defined in ``__main__``, in a notebook, or in a module that is not installed (a file beside the script)
    is pickled by value: the container need not be able to import it.

    Raises
    ------
    InvalidArgumentError
        A part of it cannot be pickled.
    """
    with _own_modules_by_value():
        try:
            data = cloudpickle.dumps(value)
        except Exception as error:  # whatever a __reduce__ of the caller's raises
            culprit = find_unpicklable(value, _is_picklable)
            raise InvalidArgumentError(
                f"{_name(value)} cannot be pickled{f' because of its {culprit}' if culprit else ''}: "
                f"{type(error).__name__}: {error}",
                hint="open files, sockets, locks and connections must be made inside the function, not captured by it",
            ) from error
    path.write_bytes(data)


def _is_picklable(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001 - whatever it raises, it is no
        return False
    return True


def _name(value: Any) -> str:
    if isinstance(value, FunctionType | MethodType):
        return f"the function {value.__qualname__!r}"
    return f"the {type(value).__qualname__} {value!r:.200}"


@contextlib.contextmanager
def _own_modules_by_value() -> Iterator[None]:
    already, roots = set(cloudpickle.list_registry_pickle_by_value()), _installed()
    modules = [(name, module) for name, module in list(sys.modules.items()) if name not in already]
    registered = [module for name, module in modules if _is_own(name, module, roots)]
    for module in registered:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)


def _installed() -> tuple[Path, ...]:
    """Return where installed packages lie: with ``pip install --target``, beside whatever else is in a directory."""
    targets = [entry for entry in sys.path if Path(entry).resolve() not in _INSTALLED]
    found = [
        Path(entry, file.parts[0]).resolve()
        for entry in targets
        for distribution in importlib.metadata.distributions(path=[entry])
        if distribution.read_text("RECORD")  # not a checkout's own egg-info
        for file in distribution.files or ()
        if file.parts[0] != ".."  # scripts, beside the directory
    ]
    return (*_INSTALLED, *dict.fromkeys(found))


def _is_own(name: str, module: ModuleType | None, installed: Sequence[Path]) -> bool:
    """Whether a module is the caller's own source: a file outside of every installed package."""
    if name == "__main__" or name.split(".")[0] in _OURS or not isinstance(module, ModuleType):
        return False  # cloudpickle takes __main__ by value of itself
    file = getattr(module, "__file__", None)
    if module.__name__ != name or not isinstance(file, str) or file.endswith(tuple(EXTENSION_SUFFIXES)):
        return False
    path = Path(file).resolve()
    return not any(path.is_relative_to(root) for root in installed)
