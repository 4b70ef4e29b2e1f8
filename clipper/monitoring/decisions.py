"""What is done about a degraded arm: a pure function of what is known, so that each rule can be tested by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from clipper.monitoring.options import QUARANTINE, ROLLBACK, TELL, MonitorOptions

SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when an arm is found degraded."""

    options: MonitorOptions
    arm: str
    arms: Sequence[str]  # that are linked
    quarantined: frozenset[str]
    degraded: frozenset[str]  # arms that there is a reason to act on
    losses: Mapping[str, float] = field(default_factory=dict)  # mean of the latest, where known
    last_action_us: int | None = None  # the latest action on this application, or on this model by another one
    previous_version: str | None = None  # that a roll-back would make current
    previous_has_replicas: bool = True  # whether one of its replicas is ready
    left_versions: frozenset[str] = frozenset()  # of this model, that were rolled back from


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do: `TELL`, `QUARANTINE` or `ROLLBACK`; and what keeps it from being more, if something does."""

    action: str
    withheld: str = ""


def decide(situation: Situation, now_us: int) -> Decision:
    """Return what to do about ``situation.arm``.

    * Nothing sooner than ``cool_down_s`` after the action before: its effect must be seen first.
    * Rolled back is only to a version that was current before, and never to one that was rolled back from: so no two
      versions take turns.
    * Quarantined is only while another arm remains that is not degraded itself, and not known to be worse: so there is
      always a model left to answer, and a fault of the labels, which strikes all models, takes none away.
    """
    options = situation.options
    if options.on_degraded == TELL or situation.arm in situation.quarantined:
        return Decision(TELL)
    withheld = _obstacle(situation, now_us)
    return Decision(TELL, withheld) if withheld else Decision(options.on_degraded)


def _obstacle(situation: Situation, now_us: int) -> str:
    """Return what forbids the action that the application asks for; "" if nothing does."""
    if situation.options.on_degraded == ROLLBACK:
        obstacle = _obstacle_to_rollback(situation)
    elif situation.options.on_degraded == QUARANTINE:
        obstacle = _obstacle_to_quarantine(situation)
    else:
        obstacle = ""
    return obstacle or _obstacle_of_time(situation, now_us)


def _obstacle_to_rollback(situation: Situation) -> str:
    version = situation.previous_version
    if version is None:
        return "no version was current before it"
    if version in situation.left_versions:
        return f"version {version!r}, which was current before it, was itself rolled back from"
    if not situation.previous_has_replicas:
        return f"version {version!r}, which was current before it, has no replica that is ready"
    return ""


def _obstacle_to_quarantine(situation: Situation) -> str:
    remaining = [arm for arm in situation.arms if arm != situation.arm and arm not in situation.quarantined]
    if not remaining:
        return "it is the last model that answers"
    healthy = [arm for arm in remaining if arm not in situation.degraded]
    if not healthy:
        return f"what would remain is degraded, too: {', '.join(remaining)}"
    own = situation.losses.get(situation.arm)
    if own is not None and all(situation.losses.get(arm, 0.0) >= own for arm in healthy):
        return f"what would remain is no better: {', '.join(healthy)}"
    return ""


def _obstacle_of_time(situation: Situation, now_us: int) -> str:
    if situation.last_action_us is None:
        return ""
    # A wall clock that was set back must not forbid for longer than was asked for.
    elapsed_us = max(0, now_us - situation.last_action_us)
    if elapsed_us >= situation.options.cool_down_s * SECOND_US:
        return ""
    return f"the cool-down of {situation.options.cool_down_s} s since the action before is not over"
