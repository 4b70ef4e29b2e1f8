"""A container whose batch takes base_us + per_item_us * size, times a noise that the test draws; and its best size."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass
class AffineModel:
    """Durations of a simulated container.

    Parameters
    ----------
    base_us, per_item_us : float
        Its cost for a batch and for an item.
    noise_ratio : float
        Durations vary uniformly by up to this share, either way.
    """

    base_us: float
    per_item_us: float
    noise_ratio: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def mean_us(self, size: int) -> float:
        return self.base_us + self.per_item_us * size

    def duration_us(self, size: int) -> int:
        return round(self.mean_us(size) * (1 + self.noise_ratio * self._random.uniform(-1, 1)))

    def largest_within(self, target_us: int, max_size: int) -> int:
        """Largest size whose mean duration stays within the target, by looking at each; 1 if there is none."""
        return max((n for n in range(1, max_size + 1) if round(self.mean_us(n)) <= target_us), default=1)

    def times(self, ratio: float) -> AffineModel:
        return AffineModel(self.base_us * ratio, self.per_item_us * ratio, self.noise_ratio, self.seed)
