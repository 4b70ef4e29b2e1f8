"""A model with a price tag and, on request, with faults: for tests, benchmarks and simulations.

A batch of n takes ``base_us + per_item_us * n`` and noise. The outputs are the first elements of the inputs; with
``classes`` the model is a classifier that is wrong at a stated rate, see ``labels.py``.
Every parameter is an environment variable, ``CLIPPER_SIMULATED_`` and its name in capitals.
"""

from __future__ import annotations

import enum
import itertools
import math
import os
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from model_containers.codec import Frame, Header, Inputs
from model_containers.container import ItemError, ModelContainer
from model_containers.noop.container import first_elements
from model_containers.settings import ContainerSettings, SettingsError, read_number
from model_containers.simulated.labels import MAX_CLASSES, MIN_CLASSES, LabelErrors, answer_labels

PREFIX: Final = "CLIPPER_SIMULATED_"
FOREVER_S: Final = 1e9


class Fault(enum.Enum):
    """What goes wrong in every ``fault_every``-th batch."""

    NONE = "none"
    RAISE = "raise"  # predict_batch raises
    WRONG_COUNT = "wrong_count"  # one output too few
    WRONG_TYPE = "wrong_type"  # one number instead of a list
    ITEM_ERROR = "item_error"  # the first item fails, the others do not
    NAN = "nan"  # the first output is NaN
    GARBAGE = "garbage"  # frames that are no message
    BAD_RESULT = "bad_result"  # a RESULT whose payload is cut short
    HANG = "hang"  # never answers; heartbeats go on
    FREEZE = "freeze"  # never answers and stops the whole process (SIGSTOP)
    EXIT = "exit"  # the process ends at once, as after a crash


@dataclass(frozen=True)
class SimulatedSettings:
    """The price of a batch and the faults."""

    base_us: int = 0
    per_item_us: float = 0.0
    noise_us: int = 0  # mean of an exponential distribution that is added; 0 = none
    load_us: int = 0  # time that loading the model takes
    busy: int = 0  # 1 = compute all that time, holding the interpreter in turns; 0 = sleep
    seed: int = 0
    fault: Fault = Fault.NONE
    fault_every: int = 1
    classes: int = 0  # of a classifier that errs; 0 = no classifier. The other settings of the errors need it
    error_ratio: float = 0.0
    degraded_error_ratio: float | None = None  # None = error_ratio: the model cannot be degraded
    degraded_file: str = ""  # degraded while a file of this name exists; empty = only by the inputs
    shared_ratio: float = 0.0  # of the queries in which all models fail together

    def label_errors(self) -> LabelErrors | None:
        """Return when this model errs; None if it is no classifier."""
        if not self.classes:
            return None
        degraded = self.error_ratio if self.degraded_error_ratio is None else self.degraded_error_ratio
        return LabelErrors(self.classes, self.error_ratio, degraded, self.shared_ratio, self.seed)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> SimulatedSettings:
        """Read the ``CLIPPER_SIMULATED_*`` variables."""
        given: dict[str, Any] = {}
        for setting in fields(cls):
            name = PREFIX + setting.name.upper()
            text = environment.get(name)
            if text is not None:
                given[setting.name] = _READERS.get(setting.name, read_number)(name, text)
        useless = [name for name in OF_A_CLASSIFIER if name in given and not given.get("classes")]
        if useless:
            raise SettingsError(f"{PREFIX}{useless[0].upper()} is set, but {PREFIX}CLASSES is not: no classifier errs")
        return cls(**given)


def _read_fault(name: str, text: str) -> Fault:
    try:
        return Fault(text)
    except ValueError:
        names = ", ".join(fault.value for fault in Fault)
        raise SettingsError(f"{name} is {text!r}, expected one of {names}") from None


def _read_time(name: str, text: str) -> float:
    try:
        time_us = float(text)
    except ValueError:
        time_us = math.nan
    if not 0 <= time_us < math.inf:
        raise SettingsError(f"{name} is {text!r}, expected a number of microseconds, 0 or more") from None
    return time_us


def _read_ratio(name: str, text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = math.nan
    if not 0 <= ratio <= 1:
        raise SettingsError(f"{name} is {text!r}, expected a share of 0 to 1") from None
    return ratio


def _read_classes(name: str, text: str) -> int:
    classes = read_number(name, text)
    if classes and not MIN_CLASSES <= classes <= MAX_CLASSES:
        raise SettingsError(f"{name} is {text!r}, expected {MIN_CLASSES} to {MAX_CLASSES} classes, or 0 for none")
    return classes


_READERS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "fault": _read_fault,
    "per_item_us": _read_time,
    "classes": _read_classes,
    "error_ratio": _read_ratio,
    "degraded_error_ratio": _read_ratio,
    "degraded_file": lambda _, text: text,
    "shared_ratio": _read_ratio,
}
OF_A_CLASSIFIER: Final = ("error_ratio", "degraded_error_ratio", "degraded_file", "shared_ratio")


class SimulatedContainer(ModelContainer):
    """Takes the stated time and commits the stated faults."""

    def __init__(self, settings: SimulatedSettings) -> None:
        self._settings = settings
        self._random = random.Random(settings.seed)
        self._errors = settings.label_errors()
        self._batches = itertools.count(1)
        self._fault = Fault.NONE  # of the batch in hand

    def load(self, settings: ContainerSettings) -> None:
        """Take ``load_us``."""
        self._spend(self._settings.load_us)

    def answer(self, header: Header, frames: Sequence[Frame]) -> list[Any]:
        """Answer as every container does, unless the fault is in the answer itself."""
        is_due = next(self._batches) % self._settings.fault_every == 0
        self._fault = self._settings.fault if is_due else Fault.NONE
        message = super().answer(header, frames)
        if self._fault == Fault.GARBAGE:
            return [self._random.randbytes(self._random.randrange(1, 100)) for _ in range(3)]
        if self._fault == Fault.BAD_RESULT:
            return [*message[:-1], bytes(memoryview(message[-1]).cast("B"))[:-1]]
        return message

    def predict_batch(self, inputs: Inputs) -> Any:
        """Return the outputs after the stated time, or commit a fault."""
        noise_us = self._random.expovariate(1 / self._settings.noise_us) if self._settings.noise_us else 0
        self._spend(self._settings.base_us + self._settings.per_item_us * len(inputs) + noise_us)
        outputs = self._outputs(inputs)
        match self._fault:
            case Fault.RAISE:
                raise RuntimeError("simulated failure")
            case Fault.WRONG_COUNT:
                return outputs[:-1]
            case Fault.WRONG_TYPE:
                return 1.0
            case Fault.ITEM_ERROR:
                return [ItemError("simulated item failure"), *outputs[1:]]
            case Fault.NAN:
                return [float("nan"), *map(float, outputs[1:])]
            case Fault.HANG:
                time.sleep(FOREVER_S)
            case Fault.FREEZE:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Fault.EXIT:
                os._exit(70)
        return outputs

    def _outputs(self, inputs: Inputs) -> Any:
        if self._errors is None:
            return first_elements(inputs)
        file = self._settings.degraded_file
        return answer_labels(self._errors, inputs, is_degraded=bool(file) and os.path.exists(file))

    def _spend(self, time_us: float) -> None:
        if not self._settings.busy:
            time.sleep(time_us / 1e6)
            return
        end_ns = time.monotonic_ns() + int(time_us * 1000)
        while time.monotonic_ns() < end_ns:
            pass
