"""What a container that prepares its inputs is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from model_containers.gpu.errors import PipelineError
from model_containers.gpu.preprocessor import device_number
from model_containers.settings import SettingsError, read_number

PREFIX: Final = "CLIPPER_GPU_"
MAX_DECODE_THREADS: Final = 256
# Of the memory that a replica keeps to, where network and preparation are on the same device: two batches of pictures
# and their results are small beside a network and what it computes.
PREPARING_PART: Final = 0.25


@dataclass(frozen=True)
class GpuSettings:
    """``CLIPPER_GPU_`` and the name in capitals sets one."""

    device: str = "cpu"  # where inputs are prepared: cpu, cuda or cuda:NUMBER
    network_device: str = ""  # where the network computes; empty: where inputs are prepared
    piece_items: int = 64  # inputs at a time: the next are decoded and copied while these are computed
    decode_threads: int = 1  # inputs decoded at a time
    memory_ratio: float = 1.0  # of the device's memory, that this process keeps to; 1 = no limit

    def __post_init__(self) -> None:
        for name in ("device", "network_device"):
            value = getattr(self, name)
            try:
                device_number(value or "cpu")
            except PipelineError as error:
                raise SettingsError(f"{PREFIX}{name.upper()}: {error}") from None
        if self.piece_items < 1:
            raise SettingsError(f"{PREFIX}PIECE_ITEMS is {self.piece_items}, expected at least 1")
        if not 0 < self.memory_ratio <= 1:
            raise SettingsError(f"{PREFIX}MEMORY_RATIO is {self.memory_ratio}, expected a number above 0, up to 1")
        if not 1 <= self.decode_threads <= MAX_DECODE_THREADS:
            raise SettingsError(f"{PREFIX}DECODE_THREADS is {self.decode_threads}, expected 1 to {MAX_DECODE_THREADS}")

    @property
    def where_network_computes(self) -> str:
        """The device of the network."""
        return self.network_device or self.device

    @property
    def preparing_memory_ratio(self) -> float:
        """What preparing inputs may use of its device's memory; 1 = no limit."""
        return self.memory_ratio * (PREPARING_PART if self._is_shared else 1)

    @property
    def network_memory_ratio(self) -> float:
        """What the network should use of its device's memory; 1 = no limit."""
        return self.memory_ratio * (1 - PREPARING_PART if self._is_shared else 1)

    @property
    def _is_shared(self) -> bool:
        numbers = device_number(self.device), device_number(self.where_network_computes)
        return self.memory_ratio < 1 and numbers[0] is not None and numbers[0] == numbers[1]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> GpuSettings:
        """Read the ``CLIPPER_GPU_*`` variables.

        Raises
        ------
        SettingsError
            One is not usable; the message names it.
        """
        given: dict[str, str | int | float] = {}
        for name in ("device", "network_device"):
            if environment.get(PREFIX + name.upper()):
                given[name] = environment[PREFIX + name.upper()]
        for name in ("piece_items", "decode_threads"):
            text = environment.get(PREFIX + name.upper())
            if text is not None:
                given[name] = read_number(PREFIX + name.upper(), text)
        text = environment.get(PREFIX + "MEMORY_RATIO")
        if text is not None:
            try:
                given["memory_ratio"] = float(text)
            except ValueError:
                raise SettingsError(f"{PREFIX}MEMORY_RATIO is {text!r}, expected a number") from None
        return cls(**given)  # type: ignore[arg-type]  # each has the type of its field
