"""What is learned for single contexts (users, sessions): those seen lately in memory, the others in the store.

The table knows no store. It says which contexts it lacks, is given what the store has of them, and says what has to be
written: contexts that have changed, those that it has put out to keep to its bound, and those that have expired. Until
a write is confirmed nothing of it is forgotten, and a context that was put out comes back from there.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from clipper.selection.state_cell import PolicyFailedError, StateCell

Document = dict[str, Any]
DEFAULT_MAX_CONTEXTS: Final = 10_000
# So many may wait to be written, or as many as are kept: what comes in between two flushes, even a late one.
LEAST_LEAVING: Final = 10_000
# Longer ones are learned from, but only for everybody: their key would outweigh what is kept under it.
MAX_CONTEXT_CHARACTERS: Final = 1024


class Context:
    """What is known of one context."""

    __slots__ = ("arms", "cell", "is_checked", "observations", "plan_id", "plan_json", "seen_us")

    def __init__(self, cell: StateCell, arms: tuple[str, ...], seen_us: int, observations: int = 0) -> None:
        self.cell = cell
        self.arms = arms  # those that the state knows; the application's may have changed since
        self.seen_us = seen_us  # wall clock, of its last observation
        self.observations = observations
        self.is_checked = True  # whether the policy has seen that the state is one of its own
        self.plan_json = ""  # the plan in force, without its id, as text; "" = none since it came into memory
        self.plan_id = 0

    @property
    def plan(self) -> dict[str, Any] | None:
        """The plan in force."""
        return {**json.loads(self.plan_json), "plan_id": self.plan_id} if self.plan_json else None

    def settle(self) -> PolicyFailedError | None:
        """Make text of the state; if that cannot be, return why, and the state is that of the last checkpoint again."""
        try:
            self.cell.rest()
        except PolicyFailedError as failure:
            return failure
        return None

    def to_document(self) -> Document:
        """Return what the store keeps, after `settle`."""
        return {
            "state": self.cell.checkpoint(),
            "arms": list(self.arms),
            "seen_us": self.seen_us,
            "observations": self.observations,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any], known_arms: tuple[str, ...]) -> Context:
        """Return the context that `to_document` wrote; raises LookupError, TypeError or ValueError if it is none."""
        arms = tuple(str(arm) for arm in document["arms"])
        state_json = document["state"]
        if not isinstance(state_json, str):
            raise TypeError("the state of a context is JSON text")
        # One tuple for all of them, where they agree.
        shared = known_arms if arms == known_arms else arms
        context = cls(StateCell(state_json), shared, int(document["seen_us"]), int(document["observations"]))
        context.is_checked = False
        return context


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What has to be written; None stands for a document to remove."""

    documents: Mapping[str, Document | None]


class ContextTable:
    """At most ``max_contexts`` contexts, least recently observed first; with those beside it that are on their way out.

    Parameters
    ----------
    max_contexts : int
        Contexts in memory between turns; as many again, and `LEAST_LEAVING` at least, may wait to be written.
    ttl_us : int
        A context that was not observed for longer is forgotten, here and in the store.
    """

    def __init__(self, max_contexts: int = DEFAULT_MAX_CONTEXTS, ttl_us: int = 2**62) -> None:
        self.max_contexts = max_contexts
        self.ttl_us = ttl_us
        self._contexts: OrderedDict[str, Context] = OrderedDict()
        self._changed: dict[str, None] = {}  # in memory, and not in the store as they are
        self._leaving: dict[str, Document] = {}  # not in memory any more, and not in the store yet
        self._removed: dict[str, None] = {}  # expired, and perhaps still in the store
        self.lost = 0  # put out, and dropped because the store took nothing for too long

    def __len__(self) -> int:
        return len(self._contexts)

    def __contains__(self, key: str) -> bool:
        return key in self._contexts

    def __iter__(self) -> Iterator[tuple[str, Context]]:
        return iter(self._contexts.items())

    def get(self, key: str) -> Context | None:
        """Return a context that is in memory, without noting that it was looked at."""
        return self._contexts.get(key)

    def lacks(self, key: str) -> bool:
        """Whether only the store can tell whether there is such a context."""
        return key not in self._contexts and key not in self._leaving and key not in self._removed

    def find(self, key: str, stored: Mapping[str, Any] | None, arms: tuple[str, ...], now_us: int) -> Context | None:
        """Return the context, brought back from among those that leave or from the store's document.

        Parameters
        ----------
        stored : mapping, optional
            What the store has under this key; it counts only where `lacks` says so.

        Returns
        -------
        Context or None
            None: there is none, or it has expired. `put` adds one then.
        """
        context = self._contexts.get(key)
        if context is None:
            document = self._leaving.pop(key, None)
            is_written = document is None
            if document is None and key not in self._removed:
                document = dict(stored) if stored is not None else None
            if document is None:
                return None
            context = Context.from_document(document, arms)
            if self._has_expired(context, now_us):
                self._removed[key] = None
                return None
            self._contexts[key] = context
            if not is_written:
                self._changed[key] = None
        if self._has_expired(context, now_us):
            self._forget(key)
            return None
        return context

    def put(self, key: str, context: Context) -> None:
        """Add a new context."""
        self._contexts[key] = context
        self._removed.pop(key, None)
        self.touch(key)

    def touch(self, key: str) -> None:
        """Note that a context has changed: it is the last one to leave, and has to be written."""
        self._contexts.move_to_end(key)
        self._changed[key] = None

    def admit(self, key: str, stored: Mapping[str, Any], arms: tuple[str, ...], now_us: int) -> bool:
        """Take in a context that the store has and nobody has asked for, if there is room and it has not expired."""
        if len(self._contexts) >= self.max_contexts or not self.lacks(key):
            return False
        context = Context.from_document(stored, arms)
        if self._has_expired(context, now_us):
            return False
        self._contexts[key] = context
        self._contexts.move_to_end(key, last=False)  # whoever was observed since the start is more recent
        return True

    def has_expired(self, now_us: int) -> bool:
        """Whether `expire` has something to do."""
        first = next(iter(self._contexts.values()), None)
        return first is not None and self._has_expired(first, now_us)

    def expire(self, now_us: int) -> list[str]:
        """Forget the contexts that nothing was observed of for too long; return their keys."""
        expired = []
        for key, context in self._contexts.items():
            if not self._has_expired(context, now_us):
                break
            expired.append(key)
        for key in expired:
            self._forget(key)
        return expired

    def clear(self) -> list[str]:
        """Forget everything in memory, written or not; return the keys."""
        keys = [*self._contexts, *self._leaving]
        for part in (self._contexts, self._changed, self._leaving, self._removed):
            part.clear()
        return keys

    # -- what the store gets -----------------------------------------------------------------------------------------

    def take_changes(self) -> tuple[TableChanges, list[PolicyFailedError]]:
        """Return what has to be written, and why states of contexts could not become text.

        `confirm` says that it was written, `give_back` that it was not.
        """
        self.shrink()
        documents: dict[str, Document | None] = dict.fromkeys(self._removed)
        documents.update(self._leaving)
        failures = []
        for key in self._changed:
            context = self._contexts[key]
            if (failure := context.settle()) is not None:
                failures.append(failure)
            documents[key] = context.to_document()
        self._changed = {}
        return TableChanges(documents), failures

    def confirm(self, changes: TableChanges) -> None:
        """Forget what was kept for `take_changes` alone: the store has it."""
        for key, document in changes.documents.items():
            if document is None:
                self._removed.pop(key, None)
            elif self._leaving.get(key) is document:
                del self._leaving[key]

    def give_back(self, changes: TableChanges) -> None:
        """Note that the changes are not written: they are part of the next ones."""
        for key, document in changes.documents.items():
            if document is not None and key in self._contexts:
                self._changed[key] = None

    @property
    def has_changes(self) -> bool:
        """Whether there is something to write."""
        return bool(self._changed or self._leaving or self._removed)

    # -- bounds ------------------------------------------------------------------------------------------------------

    def shrink(self) -> None:
        """Put out the contexts beyond the bound; called between turns.

        Not within one: what `lacks` has said of a context holds until everything that was asked for is folded.
        """
        while len(self._contexts) > self.max_contexts:
            key, context = self._contexts.popitem(last=False)
            if key in self._changed:
                del self._changed[key]
                context.settle()
                self._leaving[key] = context.to_document()
        most = max(self.max_contexts, LEAST_LEAVING)
        while len(self._leaving) > most:
            del self._leaving[next(iter(self._leaving))]
            self.lost += 1
        while len(self._removed) > most:
            del self._removed[next(iter(self._removed))]

    def _forget(self, key: str) -> None:
        del self._contexts[key]
        self._changed.pop(key, None)
        self._removed[key] = None

    def _has_expired(self, context: Context, now_us: int) -> bool:
        return now_us - context.seen_us > self.ttl_us


def is_kept(context: object) -> TypeGuard[str]:
    """Whether a context of an observation can have a state of its own."""
    return isinstance(context, str) and len(context) <= MAX_CONTEXT_CHARACTERS
