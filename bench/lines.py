"""Latency lines, duration = base + per_item * size, of the containers that the paper measured."""

from __future__ import annotations

from dataclasses import dataclass

SLO_US = 20_000


@dataclass(frozen=True)
class Line:
    """How long a batch takes.

    Parameters
    ----------
    base_us, per_item_us : float
        Its cost for a batch and for each item.
    """

    name: str
    base_us: float
    per_item_us: float

    def duration_us(self, size: float) -> float:
        """Duration of a batch."""
        return self.base_us + self.per_item_us * size

    def size_within(self, target_us: float) -> int:
        """Return the largest size whose duration stays within the target, at least 1."""
        return max(1, int((target_us - self.base_us) / self.per_item_us))

    def capacity_per_s(self, size: int) -> float:
        """Rate of one replica that serves nothing but batches of this size."""
        return size / self.duration_us(size) * 1e6

    def two_batch_rate_per_s(self, slo_us: float = SLO_US) -> float:
        """Rate at which a query waits for one batch and rides in the next, and both fill the objective: 2T(b) = S."""
        half_us = slo_us / 2
        return max(0.0, (half_us - self.base_us) / self.per_item_us) / half_us * 1e6

    def scaled(self, factor: float) -> Line:
        """Return the line with its cost per item multiplied."""
        return self if factor == 1 else Line(self.name, self.base_us, self.per_item_us * factor)

    def slowed(self, factor: float) -> Line:
        """Return the line in slow motion: whatever it takes takes so many times as long."""
        return self if factor == 1 else Line(self.name, self.base_us * factor, self.per_item_us * factor)

    def __str__(self) -> str:
        return f"{self.base_us:,.0f} + {self.per_item_us:,.1f} b us".replace(".0 b", " b")


# Means of the scatter runs in the published raw data of Crankshaw et al., NSDI 2017, figure 3.
FOREST = Line("forest", 7_237, 21.4)
LINEAR = Line("linear", 558, 12.4)
SPARK = Line("spark", 735, 23.6)
KERNEL_SVM = Line("kernel-svm", 2_283, 4_703)
NOOP = Line("noop", 393, 9.69)
LOGISTIC = Line("logistic", 896, 11.33)
PAPER_LINES = (FOREST, LINEAR, SPARK, KERNEL_SVM)
