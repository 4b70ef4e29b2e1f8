"""Which part of a value keeps it from being pickled: the traceback of a pickle names a type, and nobody's variable."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

_MAX_DEPTH: Final = 8
_MAX_PARTS: Final = 1000  # of one value; each is pickled once more


def find_unpicklable(value: Any, is_picklable: Callable[[Any], bool]) -> str:
    """Return the way from ``value`` to the innermost part that fails, such as ``variable 'db', attribute 'lock'``.

    Empty if no part fails by itself. Runs only when pickling has failed, so it may be slow.
    """
    labels: list[str] = []
    seen = {id(value)}

    def fails(part: Any) -> bool:
        return id(part) not in seen and not isinstance(part, ModuleType) and not is_picklable(part)

    while len(labels) < _MAX_DEPTH:
        failing = next((each for each in islice(_parts(value), _MAX_PARTS) if fails(each[1])), None)
        if failing is None:
            break
        label, value = failing
        labels.append(label)
        seen.add(id(value))
    return f"{', '.join(labels)} (a {type(value).__qualname__})" if labels else ""


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a pickle of ``value`` would hold, with a name for each."""
    if isinstance(value, MethodType):
        yield "object", value.__self__
        yield "function", value.__func__
    elif isinstance(value, FunctionType):
        yield from _parts_of_function(value)
    elif isinstance(value, functools.partial):
        yield "function", value.func
        yield from (("argument", argument) for argument in value.args)
        yield from ((f"argument {name!r}", argument) for name, argument in value.keywords.items())
    elif isinstance(value, Mapping):
        yield from ((f"item {str(key)!r:.60}", part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"item {index}", part) for index, part in enumerate(value))
    elif isinstance(value, set | frozenset):
        yield from (("item", part) for part in value)
    elif not isinstance(value, type):
        yield from ((f"attribute {name!r}", part) for name, part in _attributes(value))


def _parts_of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f"variable {name!r}", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for name in sorted(_global_names(function.__code__)):
        if name in function.__globals__:
            yield f"global variable {name!r}", function.__globals__[name]
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is not parameter.empty:
            yield f"default of {name!r}", parameter.default
    yield from ((f"attribute {name!r}", part) for name, part in vars(function).items())


def _global_names(code: CodeType) -> set[str]:
    """Return the names that a function, and the functions within it, look up."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_global_names, inner))


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                yield name, getattr(value, name)
