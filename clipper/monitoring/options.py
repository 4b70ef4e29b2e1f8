"""What an application may say about its monitoring: the document ``learning.monitor``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Final, Self

from clipper.errors import InvalidArgumentError

TELL: Final = "tell"
QUARANTINE: Final = "quarantine"
ROLLBACK: Final = "rollback"
ON_DEGRADED: Final = (TELL, QUARANTINE, ROLLBACK)

LOSS: Final = "loss"
ANY: Final = "any"
ACT_ON: Final = (LOSS, ANY)

PAGE_HINKLEY: Final = "page_hinkley"
ADWIN: Final = "adwin"
DETECTORS: Final = (PAGE_HINKLEY, ADWIN)

# A window of this many millionths is half a megabyte of Python; more says nothing that this does not.
MAX_WINDOW: Final = 10_000
MAX_COOL_DOWN_S: Final = 30 * 24 * 3600


def _choice(default: str, choices: tuple[str, ...], told: str) -> Any:
    return field(default=default, metadata={"choices": choices, "told": told})


def _count(default: int, least: int, most: int, told: str) -> Any:
    return field(default=default, metadata={"least": least, "most": most, "told": told})


def _ratio(default: float, least: float, most: float, told: str) -> Any:
    return field(default=default, metadata={"least": least, "most": most, "told": told})


@dataclass(frozen=True, slots=True)
class MonitorOptions:
    """The options with their defaults, bounds and help: the one table for checks and documents."""

    on_degraded: str = _choice(TELL, ON_DEGRADED, "what is done about a degraded model besides telling")
    act_on: str = _choice(LOSS, ACT_ON, "what `on_degraded` acts on: a risen loss only, or changed outputs as well")
    detector: str = _choice(
        PAGE_HINKLEY, DETECTORS, "who notices that the loss rose; `adwin` needs `clipper[monitoring]`"
    )
    window: int = _count(500, 10, MAX_WINDOW, "feedbacks in the windowed loss that is shown")
    reference: int = _count(200, 30, MAX_WINDOW, "feedbacks before a change is looked for")
    min_change_ratio: float = _ratio(0.05, 0.001, 1.0, "rise of the mean loss that is worth telling; half of it is not")
    false_alarm_every: int = _count(
        100_000, 1_000, 1_000_000_000, "feedbacks between two false alarms, at least, of `page_hinkley`"
    )
    adwin_delta_ratio: float = _ratio(0.002, 1e-9, 0.5, "confidence parameter of `adwin`")
    output_window: int = _count(500, 100, MAX_WINDOW, "sampled outputs in the reference, and in each window beside it")
    max_psi_ratio: float = _ratio(
        0.25, 0.01, 10.0, "population stability index of labels above which they have changed"
    )
    max_ks_ratio: float = _ratio(0.2, 0.01, 1.0, "Kolmogorov-Smirnov distance of numbers above which they have changed")
    cool_down_s: int = _count(3600, 1, MAX_COOL_DOWN_S, "no second action on an application or model sooner than this")

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> Self:
        """Return the options of a document that `check_monitor` has taken; what it lacks is the default."""
        return cls(**({} if document is None else document))


def check_monitor(document: object) -> dict[str, Any] | bool | None:
    """Return ``learning.monitor`` in the form in which it is kept.

    None means the defaults, as ``{}`` does; True is the same, and False means that nothing is monitored. Whether the
    library of the detector "adwin" is installed is not looked at: this may be another machine than management's.

    Raises
    ------
    InvalidArgumentError
        It is no object, has an option that does not exist, or one with a value that is not valid.
    """
    if document is None or isinstance(document, bool):
        return None if document is not False else False
    if not isinstance(document, Mapping):
        raise InvalidArgumentError(
            f"monitor={document!r} is not valid: expected an object of options, or false",
            hint='for example {"on_degraded": "rollback"}',
        )
    known = {option.name: option for option in fields(MonitorOptions)}
    for name, value in document.items():
        if name not in known:
            raise InvalidArgumentError(f"monitor has no option {name!r}", hint=_suggestion(name, list(known)))
        _check_value(name, value, known[name].metadata, type(known[name].default))
    return dict(document)


def options_of(document: Mapping[str, Any] | bool | None) -> MonitorOptions | None:
    """Return the options of what `check_monitor` returned; None if nothing is to be monitored."""
    if document is False:
        return None
    return MonitorOptions.from_document(document if isinstance(document, Mapping) else None)


def _check_value(name: str, value: object, rule: Mapping[str, Any], kind: type) -> None:
    if "choices" in rule:
        if not isinstance(value, str) or value not in rule["choices"]:
            raise InvalidArgumentError(
                f"monitor.{name}={value!r} is not valid: expected one of {', '.join(rule['choices'])}"
            )
        return
    is_number = type(value) is int if kind is int else type(value) in (int, float)
    if not is_number or not math.isfinite(value) or not rule["least"] <= value <= rule["most"]:  # type: ignore[arg-type]  # is_number
        what = "an integer" if kind is int else "a number"
        raise InvalidArgumentError(
            f"monitor.{name}={value!r} is not valid: expected {what} from {rule['least']} to {rule['most']}"
        )


def _suggestion(name: object, known: list[str]) -> str:
    close = get_close_matches(str(name), known, 1)
    return f"did you mean {close[0]!r}?" if close else f"its options: {', '.join(known)}"
