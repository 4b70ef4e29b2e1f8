"""Whether the outputs of one arm are distributed as they were."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clipper.monitoring import distances
from clipper.monitoring.options import MonitorOptions

# Labels that are told apart: the most frequent ones of the reference. What is none of them is one label more.
MAX_LABELS: Final = 30
MAX_LABEL_CHARACTERS: Final = 200
_OTHER: Final = "\x00other"  # begins as no JSON text does
_UNREADABLE: Final = "\x00unreadable"

Value = float | str


@dataclass(frozen=True, slots=True)
class OutputChange:
    """A window of outputs differs from the reference where the one before it did not, or the other way round."""

    has_changed: bool
    measure: str  # "psi" of labels, "ks" of numbers
    distance: float
    limit: float


def value_of(output: object, label_field: str = "") -> Value:
    """Return what of an output is compared: a number as it is, everything else as a label.

    Of an object with the field ``label_field`` it is that field's value; of a flat array of numbers (scores by class)
    the place of the largest; of anything else its JSON text.
    """
    if isinstance(output, Mapping) and label_field in output:
        return value_of(output[label_field], label_field)
    if isinstance(output, (int, float)) and not isinstance(output, bool):
        return _to_float(output)
    if isinstance(output, str):
        return json.dumps(output)[:MAX_LABEL_CHARACTERS]
    if isinstance(output, Sequence) and output and all(type(item) in (int, float) for item in output):
        return f"[{max(range(len(output)), key=output.__getitem__)}]"
    try:
        return json.dumps(output, sort_keys=True)[:MAX_LABEL_CHARACTERS]
    except (TypeError, ValueError, RecursionError):  # nested deeper than Python's own reader goes
        return _UNREADABLE


def _to_float(number: float) -> float:
    try:
        value = float(number)
    except OverflowError:  # JSON's integers have no bound
        return math.inf if number > 0 else -math.inf
    return math.inf if math.isnan(value) else value


class OutputMonitor:
    """Told sampled outputs of an arm.

    The first ``output_window`` outputs are the reference; each further full window is compared with it. Whether outputs
    are numbers or labels the reference decides: numbers with more than `MAX_LABELS` different values are numbers.
    """

    def __init__(self, options: MonitorOptions, label_field: str = "") -> None:
        self._options = options
        self._label_field = label_field
        self._reference: list[Value] = []
        self._current: list[Value] = []
        self._labels: Counter[str] | None = None  # of the reference, if it is full and has labels
        self.outputs = 0
        self.last: OutputChange | None = None  # the latest comparison

    @property
    def is_ready(self) -> bool:
        """Whether the reference is full."""
        return len(self._reference) >= self._options.output_window

    @property
    def has_changed(self) -> bool:
        """Whether the latest full window differs from the reference."""
        return self.last is not None and self.last.has_changed

    @property
    def measure(self) -> str | None:
        """What outputs are compared by: "psi" or "ks"; None while there is no reference."""
        if not self.is_ready:
            return None
        return "ks" if self._labels is None else "psi"

    def observe(self, output: object) -> OutputChange | None:
        """Take an output; return what its window has changed, if it is the last one of a window that has."""
        self.outputs += 1
        value = value_of(output, self._label_field)
        if not self.is_ready:
            self._reference.append(value)
            self._settle_reference()
            return None
        self._current.append(value)
        if len(self._current) < self._options.output_window:
            return None
        had_changed = self.has_changed
        self.last = self._compare()
        self._current = []
        return self.last if self.last.has_changed != had_changed else None

    def resume(self) -> None:
        """Begin a new window against the present reference."""
        self._current = []
        self.last = None

    def _settle_reference(self) -> None:
        self._labels = None
        if not self.is_ready:
            return
        if len(set(self._reference)) > MAX_LABELS and not any(isinstance(value, str) for value in self._reference):
            return
        counts = Counter(map(_label, self._reference))
        kept = {label for label, _ in counts.most_common(MAX_LABELS)}
        self._labels = _counted(map(_label, self._reference), kept)

    def _compare(self) -> OutputChange:
        options, counts = self._options, (len(self._reference), len(self._current))
        if self._labels is None:
            # What is no number among numbers lies beyond all of them.
            current = [math.inf if isinstance(value, str) else value for value in self._current]
            reference = [value for value in self._reference if not isinstance(value, str)]
            distance = distances.kolmogorov_smirnov(reference, current)
            limit = max(options.max_ks_ratio, distances.ks_by_chance(*counts))
            return OutputChange(distance > limit, "ks", distance, limit)
        kept = set(self._labels) - {_OTHER}
        found = _counted(map(_label, self._current), kept)
        distance = distances.population_stability_index(self._labels, found)
        limit = max(options.max_psi_ratio, distances.psi_by_chance(len(self._labels | found), *counts))
        return OutputChange(distance > limit, "psi", distance, limit)

    # -- what outlives a restart -------------------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return what `restore` makes the same monitor of, as JSON."""
        last = self.last
        return {
            "outputs": self.outputs,
            "reference": [_written(value) for value in self._reference],
            "current": [_written(value) for value in self._current],
            "last": None if last is None else [last.has_changed, last.measure, last.distance, last.limit],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` wrote. A reference of another size is kept as long as it suffices."""
        self.outputs = int(state["outputs"])
        self._reference = [_read(value) for value in state["reference"]][: self._options.output_window]
        self._current = [_read(value) for value in state["current"]][: self._options.output_window - 1]
        if not self.is_ready:
            self._current = []
        self.last = None if state["last"] is None else OutputChange(*state["last"])
        self._settle_reference()


def _label(value: Value) -> str:
    return value if isinstance(value, str) else repr(value)


def _counted(labels: Iterable[str], kept: set[str]) -> Counter[str]:
    return Counter(label if label in kept else _OTHER for label in labels)


def _written(value: Value) -> float | str:
    """JSON has no infinities."""
    return value if isinstance(value, str) or math.isfinite(value) else ("\x00inf" if value > 0 else "\x00-inf")


def _read(value: float | str) -> Value:
    if isinstance(value, str):
        return float(value[1:]) if value in ("\x00inf", "\x00-inf") else value
    return float(value)
