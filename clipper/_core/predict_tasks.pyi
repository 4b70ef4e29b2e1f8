"""What models are asked, and what becomes of it: the cache, the queue, and everyone who waits for an output."""

from clipper._core.model_runtime import ModelRuntime
from clipper._core.query_gather import QueryGather

class PredictTasks(QueryGather):
    """Hops 4 and 5 of one worker, and the ends of tasks; what is asked is `Selection`'s to say."""

    def retire_model(self, model: ModelRuntime) -> None:
        """A model version left the routing snapshot: forget its outputs.

        What waits for it is answered by the replicas that it still has, and at once if there are none.
        """
