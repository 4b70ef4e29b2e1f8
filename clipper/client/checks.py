"""Values of a caller in the form that goes over the wire: numpy's numbers are numbers, and mistakes are told at once.

The server checks everything again; these checks come before a model is pickled and sent, and name the parameter.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from clipper.errors import InvalidArgumentError, NotFoundError
from clipper.registry import names


def check_text(name: str, value: object) -> str:
    """Return ``value`` if it is a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise InvalidArgumentError(f"{name}={value!r} is not valid: expected a string that is not empty")
    return value


def check_version(version: object) -> str:
    """Return the version as the registry has it: 1, numpy's 1 and "1" are the same."""
    if isinstance(version, str):
        return names.check_version(version)
    return names.check_version(to_int("version", version, expected="a whole number, or a text such as 'v2'"))


def to_int(name: str, value: object, *, expected: str = "a whole number") -> int:
    """Return a whole number as an int; floats and booleans are none."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidArgumentError(f"{name}={value!r} is not valid: expected {expected}") from None


def to_count(name: str, value: object, least: int, most: int) -> int:
    """Return a whole number within its limits."""
    return names.check_range(name, to_int(name, value), least, most)


def check_batching(batching: object, batch_size: object) -> tuple[str, int]:
    """Return the batch-size controller and the size of a fixed one, 0 of any other.

    Raises
    ------
    InvalidArgumentError
        If there is no such controller, the size is out of range, or the two contradict each other.
    """
    size = 0 if batch_size is None else to_count("batch_size", batch_size, 1, names.MAX_BATCH_SIZE)
    controller = names.check_controller(("fixed" if size else "aimd") if batching is None else batching)
    if size and controller != "fixed":
        raise InvalidArgumentError(
            f"batch_size={batch_size!r} fixes the size, and batching={controller!r} measures it",
            hint="give one of the two; a ceiling for measured sizes is max_batch_size",
        )
    if not size and controller == "fixed":
        raise InvalidArgumentError("batching='fixed' needs the size", hint="add batch_size=N")
    return controller, size


def check_labels(labels: object) -> list[str]:
    """Return the labels as a list."""
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise InvalidArgumentError(f"labels={labels!r} is not valid: expected a list of strings")
    listed = list(labels)
    if not all(isinstance(label, str) for label in listed):
        raise InvalidArgumentError(f"labels={listed!r} is not valid: expected a list of strings")
    return list(names.check_labels(listed))


def check_environment(environment: object) -> dict[str, str]:
    """Return the variables of a container; which ones may be set is the server's decision."""
    if environment is None:
        return {}
    if not isinstance(environment, Mapping):
        raise InvalidArgumentError(f"environment={environment!r} is not valid: expected a mapping of names to strings")
    for name, value in environment.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgumentError(
                f"environment has {name!r}: {value!r}; expected names and values to be strings",
                hint=f"for example {{{str(name)!r}: {str(value)!r}}}",
            )
    return dict(environment)


def no_current_version(name: str) -> NotFoundError:
    """Return the error of a call that means the current version of a model which has none."""
    return NotFoundError(
        f"the model {name!r} has no current version", hint="name one, or make one current: set_model_version"
    )


def to_shape(shape: Any) -> list[int] | None:
    """Return the dimensions of an input as a list; a number is one dimension."""
    if shape is None:
        return None
    if isinstance(shape, str) or (not isinstance(shape, Iterable) and not hasattr(shape, "__index__")):
        raise InvalidArgumentError(f"shape={shape!r} is not valid: expected a length, or a sequence of lengths")
    return [to_int("shape", length) for length in (shape if isinstance(shape, Iterable) else (shape,))]
