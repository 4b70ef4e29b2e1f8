"""A container that prepares its inputs on the host or on a device, in pieces, and computes a network on them."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from model_containers.codec import Inputs
from model_containers.container import ModelContainer
from model_containers.gpu.faults import reraise_lost
from model_containers.gpu.pieces import PieceLimit, run_in_pieces
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import Prepared, Preprocessor, make_preprocessor
from model_containers.gpu.settings import GpuSettings

logger = logging.getLogger("model_containers")


class PreparedContainer(ModelContainer):
    """Derive from it, call ``prepare_with`` in ``load``, and give it ``infer``.

    A batch is cut into pieces of ``CLIPPER_GPU_PIECE_ITEMS``: while the network computes one, the next is decoded and
    copied to the device. An input that cannot be prepared fails alone. Out of device memory halves the pieces and loses
    nothing; a lost device ends the container.
    """

    gpu: GpuSettings
    _preprocessor: Preprocessor
    _limit: PieceLimit

    def prepare_with(self, pipeline: Pipeline, gpu: GpuSettings | None = None) -> None:
        """Set the pipeline; settings come from the environment if none are given.

        Raises
        ------
        SettingsError, PipelineError
            A setting is not usable; there is no such device, or no cupy.
        """
        self.gpu = gpu or GpuSettings.from_environment()
        self._preprocessor = make_preprocessor(
            pipeline, self.gpu.device, self.gpu.decode_threads, self.gpu.preparing_memory_ratio
        )
        self._limit = PieceLimit(self.gpu.piece_items)
        logger.info("inputs are prepared on %s", self.gpu.device)

    @abstractmethod
    def infer(self, prepared: Prepared) -> Sequence[Any]:
        """Return one output for each row of ``prepared.array``."""

    def warm_up(self) -> None:
        """Compile the kernels and run the network once, with an input of its own making."""
        outputs = self.predict_batch([self._preprocessor.pipeline.source.sample()])
        if isinstance(outputs[0], BaseException):
            logger.warning("the sample input cannot be prepared, so the model starts cold: %s", outputs[0])

    def predict_batch(self, inputs: Inputs | Sequence[Any]) -> list[Any]:
        """Return the network's outputs, an error in place of those inputs that cannot be prepared."""
        with reraise_lost():
            return run_in_pieces(
                list(inputs), self._limit, self._preprocessor.submit, self._finish, self._preprocessor.release_memory
            )

    def _finish(self, prepared: Prepared) -> list[Any]:
        outputs: list[Any] = [None] * (len(prepared.kept) + len(prepared.errors))
        for place, error in prepared.errors.items():
            outputs[place] = error
        if prepared.kept:
            computed = self.infer(prepared)
            if len(computed) != len(prepared.kept):
                raise ValueError(f"the network returned {len(computed)} outputs for {len(prepared.kept)} inputs")
            for place, output in zip(prepared.kept, computed, strict=True):
                outputs[place] = output
        return outputs
