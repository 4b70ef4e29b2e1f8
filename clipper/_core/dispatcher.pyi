"""Queued tasks become batches for replicas (hop 6).

A simulation, or a test, drives the very dispatcher of the product under a clock of its own::

    slots = SlotPoolHandle()
    model = ModelRuntime("m", "1", 1, BatchQueue([slots]), input_type="doubles")
    dispatcher = Dispatcher(slots, MySink())
    replica = dispatcher.add_replica(model, "m:1:0")
    slot = slots.acquire(b"")
    slots.set_deadlines(slot, now_us + 20_000, now_us + 20_000)
    dispatcher.push_task(model, slot, 20_000, now_us)
    dispatcher.dispatch_at(model, now_us)             # MySink.on_send(replica, batch_id, slots, now_us)
    for slot in dispatcher.finish_batch(replica, batch_id, compute_us, later_us):
        slots.release(slot)
"""

from typing import Literal, final

from clipper._core.model_runtime import ModelRuntime
from clipper._core.replica import Replica
from clipper._core.slot_pool import SlotPoolHandle

class BatchSink:
    """What the dispatcher tells. Python subclasses override the methods below; the product's sink is compiled."""

    def on_send(self, replica: Replica, batch_id: int, slots: list[int], now_us: int) -> None:
        """Take a batch for the replica, which `Dispatcher.finish_batch` ends."""

    def on_drop(self, slot: int, now_us: int) -> None:
        """Answer for a task that cannot be met any more, and release its slot."""

    def on_wake_at(self, model: ModelRuntime, at_us: int) -> None:
        """Call `Dispatcher.dispatch_at` of the model at this time; earlier wishes hold, too."""

DEFAULT_HEDGE_RATIO: float
DEFAULT_AHEAD_RATIO: float

@final
class Dispatcher:
    """Decides which replica gets which tasks, and when. No method reads a clock.

    Parameters
    ----------
    slots : SlotPoolHandle
        Whose tasks they are.
    sink : BatchSink
        Who is told what was decided.
    batch_wait_us : int
        The longest that a batch waits for more tasks while its replica is free; 0 = it never waits.
    hedge_ratio : float
        Tasks of stuck batches that are sent to a second replica, as a share of all; 0 = none.
    ahead_ratio : float
        A second batch is sent ahead where the RPC takes more than this share of a batch's time; 1 = nowhere.
    admission : bool
        Whether tasks are refused that are predicted to be late. The product always does.
    """

    batch_wait_us: int
    hedge_ratio: float
    admission: bool

    def __init__(
        self,
        slots: SlotPoolHandle,
        sink: BatchSink,
        *,
        batch_wait_us: int = 0,
        hedge_ratio: float = ...,
        ahead_ratio: float = ...,
        admission: bool = True,
    ) -> None: ...
    def add_replica(self, model: ModelRuntime, replica_id: str, now_us: int = 0) -> Replica:
        """Return a new, ready replica of the model that no session stands behind."""

    def remove_replica(self, replica: Replica, now_us: int) -> list[int]:
        """Lose a replica. What it had in hand is queued again; returned are the slots for which it is too late."""

    def push_task(self, model: ModelRuntime, slot: int, slo_us: int, now_us: int) -> Literal["queued", "full", "late"]:
        """Queue an acquired slot whose deadlines are set. If it is not queued, the slot is still the caller's.

        "late": it was predicted to miss its deadline. "full": there is no place in the queue.
        """

    def dispatch_at(self, model: ModelRuntime, now_us: int) -> None:
        """Give the model's replicas what they should have now; call it after pushes, and when woken."""

    def finish_batch(
        self, replica: Replica, batch_id: int, compute_us: int, now_us: int, *, has_failed: bool = False
    ) -> list[int]:
        """End a batch that was answered; returns the slots that end with it, which are the caller's.

        Slots that another replica has answered, or still may, are not among them; none for an unknown id. The replica
        learns from the batch and is given the next one before this returns.

        Parameters
        ----------
        compute_us : int
            Time in the model, as the container measured it.
        has_failed : bool
            Whether the batch failed as a whole.
        """
