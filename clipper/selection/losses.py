"""How wrong an output is, from 0 (right) to 1, given the label that came as feedback."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from clipper.errors import InvalidArgumentError
from clipper.selection.import_path import imported, is_import_path
from clipper.selection.observation import Loss

DEFAULT_LABEL_FIELD: Final = "label"
# A probability of 0 for what happened would be an infinite loss; below this it makes no difference any more.
SMALLEST_PROBABILITY: Final = 1e-15
DEFAULT_SQUARED_BOUND: Final = 1.0
DEFAULT_LOG_BOUND: Final = 5.0  # -ln(0.0067): a label given less than that is simply wrong


def zero_one(output: Any, label: Any) -> float:
    """Return 0 if the output is the label, 1 if not.

    Numbers are compared by value (1 is 1.0), true and false only with themselves. An output that is a list of scores
    stands for the index of its largest one, if the label is an integer.
    """
    if _is_integer(label) and _are_numbers(output):
        output = max(range(len(output)), key=output.__getitem__)
    return 0.0 if _same(output, label) else 1.0


def squared(output: Any, label: Any) -> float:
    """Return the squared difference of two numbers, or its mean over two lists of the same length; not clipped."""
    if _is_number(output) and _is_number(label):
        return float(output - label) ** 2
    if _are_numbers(output) and _are_numbers(label) and len(output) == len(label):
        return math.fsum(float(a - b) ** 2 for a, b in zip(output, label, strict=True)) / len(label)
    raise InvalidArgumentError(
        f"squared loss of output {_shown(output)} and label {_shown(label)}",
        hint="expected two finite numbers, or two lists of as many finite numbers",
    )


def log(output: Any, label: Any) -> float:
    """Return -ln of the probability that the output gives to the label; not clipped.

    The output is a list of probabilities with an index as label, an object of probabilities by label, or the
    probability of true with a label that is true, false, 1 or 0.
    """
    probability: Any = None
    if _are_numbers(output) and _is_integer(label) and 0 <= label < len(output):
        probability = output[label]
    elif isinstance(output, Mapping):
        probability = output.get(label if isinstance(label, str) else str(label), 0.0)
    elif _is_number(output) and (isinstance(label, bool) or label in (0, 1)):
        probability = output if label else 1.0 - output
    if not _is_number(probability) or not -1e-9 <= probability <= 1.0 + 1e-9:
        raise InvalidArgumentError(
            f"log loss of output {_shown(output)} and label {_shown(label)}",
            hint="expected probabilities and an index, probabilities by label, or one probability and true or false",
        )
    return -math.log(min(1.0, max(SMALLEST_PROBABILITY, probability)))


_LOSSES: Final[Mapping[str, tuple[Callable[[Any, Any], float], float]]] = {
    "zero_one": (zero_one, 1.0),
    "squared": (squared, DEFAULT_SQUARED_BOUND),
    "log": (log, DEFAULT_LOG_BOUND),
}
LOSSES: Final = tuple(_LOSSES)


def make_loss(
    loss: str = "zero_one", *, loss_bound: float | None = None, label_field: str = DEFAULT_LABEL_FIELD
) -> Loss:
    """Return the loss function of an application.

    Parameters
    ----------
    loss : str
        One of `LOSSES`, or an import path "package.module:function" of a function (output, label) -> number.
    loss_bound : float, optional
        Losses are divided by it and clipped to [0, 1]. By default 1, for "log" 5.
    label_field : str
        Of an output that is a JSON object, this field is compared with the label, if it is there.

    Raises
    ------
    InvalidArgumentError
        If there is no such loss, or the bound is not above 0.
    """
    if loss in _LOSSES:
        function, bound = _LOSSES[loss]
    elif isinstance(loss, str) and is_import_path(loss):
        function, bound = imported(loss, "loss"), 1.0
        if not callable(function):
            raise InvalidArgumentError(f"loss {loss!r} is no function")
    else:
        raise InvalidArgumentError(
            f"loss={loss!r} is not valid: expected one of {', '.join(LOSSES)}, or an import path",
            hint="an import path is written package.module:function",
        )
    if loss_bound is not None:
        if not _is_number(loss_bound) or loss_bound <= 0:
            raise InvalidArgumentError(f"loss_bound={loss_bound!r} is not valid: expected a finite number above 0")
        bound = float(loss_bound)

    def bounded(output: Any, label: Any) -> float:
        """Return the loss in [0, 1]."""
        if isinstance(output, Mapping) and label_field in output:
            output = output[label_field]
        return _clipped(loss, function, bound, output, label)

    return bounded


def _clipped(name: str, function: Callable[[Any, Any], float], bound: float, output: Any, label: Any) -> float:
    try:
        value = function(output, label)
    except InvalidArgumentError:
        raise
    except Exception as error:
        raise InvalidArgumentError(
            f"loss {name!r} failed on output {_shown(output)} and label {_shown(label)}: {error!r}"
        ) from error
    if not _is_number(value):
        raise InvalidArgumentError(f"loss {name!r} returned {value!r} for output {_shown(output)}: no finite number")
    return min(1.0, max(0.0, float(value) / bound))


def _same(output: Any, label: Any) -> bool:
    if isinstance(output, bool) or isinstance(label, bool):
        return output is label
    if isinstance(output, list | tuple) and isinstance(label, list | tuple):
        return len(output) == len(label) and all(map(_same, output, label))
    if isinstance(output, Mapping) and isinstance(label, Mapping):
        return output.keys() == label.keys() and all(_same(output[key], label[key]) for key in output)
    return bool(output == label)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(_is_number, value))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
