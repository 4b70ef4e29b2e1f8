"""Everything a model container needs: numpy, pyzmq and this package; nothing of ``clipper``.

``from model_containers import ModelContainer, serve`` is all that your own container needs; see docs/containers.md.
The names are loaded when they are first used, after the number of BLAS threads was bounded: a replica is one process
on one core by default, and replicas that each start a thread a core only take turns with each other.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_containers.container import FatalError, ItemError, ModelContainer
    from model_containers.loop import serve

__all__ = ["FatalError", "ItemError", "ModelContainer", "limit_blas_threads", "serve"]

_HOME = {"FatalError": "container", "ItemError": "container", "ModelContainer": "container", "serve": "loop"}

BLAS_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def limit_blas_threads(count: int = 1) -> None:
    """Bound the threads of numerical libraries that are imported from now on; what the environment sets stays."""
    for name in BLAS_THREAD_VARIABLES:
        os.environ.setdefault(name, str(count))


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    limit_blas_threads()
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
