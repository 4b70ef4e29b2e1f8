"""A frontend without sockets and without a clock, for ``bench.simulate``."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from clipper._core.dispatcher import BatchSink, Dispatcher
from clipper._core.histogram import Histogram
from clipper._core.model_runtime import ModelRuntime
from clipper._core.replica import Replica

@final
class SimulatedFrontend(BatchSink):
    """The product's data path between arrivals and dispatch: slots, queue, admission, controllers, dispatcher.

    One model, one application. The caller is the world: it says when queries arrive and when replicas answer, and
    learns what was sent. Time never goes back.

    Parameters
    ----------
    slo_us : int
        From arrival to answer.
    reply_margin_us : int
        The default output leaves this much before the deadline, as in the product.
    slot_count : int
        Tasks that may wait or be in flight.
    admission : bool
        Whether tasks are refused that are predicted to be late, as the product does.
    interval_us : int
        Queries are counted by the interval in which they arrived.
    admission : bool
        Whether queries are refused that are predicted to be late.

    Raises
    ------
    InvalidArgumentError
        If ``slo_us`` does not exceed ``reply_margin_us``, or ``interval_us`` is 0.
    """

    def __init__(
        self,
        *,
        slo_us: int,
        reply_margin_us: int = 500,
        slot_count: int = 16_384,
        interval_us: int = 100_000,
        admission: bool = True,
    ) -> None: ...
    @property
    def dispatcher(self) -> Dispatcher: ...
    @property
    def model(self) -> ModelRuntime: ...
    @property
    def slo_us(self) -> int: ...
    @property
    def patience_us(self) -> int:
        """From arrival to the default output; an answer later than that is late."""

    @property
    def interval_us(self) -> int: ...
    @property
    def latency_us(self) -> Histogram:
        """Latency of the answers in time."""

    def advance(self, times_us: NDArray[np.uint64], begin: int, until_us: int) -> int:
        """Let queries arrive until a time, or until something was sent or wished for; return the next index."""

    def wake(self, now_us: int) -> None:
        """Do what the dispatcher wished for by now."""

    def finish(self, replica: Replica, batch_id: int, compute_us: int, now_us: int) -> None:
        """A replica has answered a batch; nothing happens if it was given up."""

    def take_sent(self) -> list[tuple[Replica, int, int, int]]:
        """Return what was sent since the last call: (replica, batch id, size, when)."""

    @property
    def next_wake_us(self) -> int | None:
        """When to call `wake`; None = when nothing else happens, nothing is to be done."""

    @property
    def outcomes(self) -> list[tuple[int, int, int, int, int, int]]:
        """For each interval of arrival: offered, in time, late, dropped, expired, refused."""
