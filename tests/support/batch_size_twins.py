"""The obvious batch-size controllers: all batches kept, every sum taken anew. The compiled ones have to agree."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_SIZE = 4096


def target_of(slo_us: int, overhead_us: int = 0) -> int:
    return int(max(0.75 * slo_us - overhead_us, slo_us / 8, 1))


@dataclass
class AimdTwin:
    slo_us: int
    max_size: int = MAX_SIZE
    cap: float = 1.0
    step: float = 1.0
    last_good: int = 0
    ceiling: int = 0
    is_growing: bool = True
    doubts: list[tuple[int, int]] = field(default_factory=list)
    """(size, duration) of batches beyond the target that no good one of their size has followed; two are believed."""
    kept_ratio: float = 0.9
    step_ratio: float = 0.125

    def next_size(self) -> int:
        return int(self.cap + 1e-6)

    def observe(self, size: int, was_full: bool, duration_us: int) -> None:
        if size == 0 or size > self.next_size():
            return
        if duration_us > target_of(self.slo_us):
            self.doubts.append((size, duration_us))
        else:
            self.doubts = [doubt for doubt in self.doubts if doubt[0] > size]
            if was_full and size == self.next_size():
                self.grow(size)
        if len(self.doubts) == 2:
            self.back_off(max(size for size, _ in self.doubts), min(us for _, us in self.doubts))

    def grow(self, size: int) -> None:
        self.last_good, self.kept_ratio = size, 0.9
        if size >= self.ceiling:
            self.is_growing, self.step_ratio = True, 0.125
        self.cap = min(self.cap + self.step, self.max_size)
        self.step = min(2 * self.step, self.max_size) if self.is_growing else self.step

    def back_off(self, size: int, duration_us: int) -> None:
        kept = max(0.5, target_of(self.slo_us) / duration_us) * size
        if self.is_growing and 0 < self.last_good < size:
            self.cap = max(1.0, min(self.last_good, kept))
            self.step = max(1.0, 0.125 * (size - self.cap))
        else:
            self.cap = max(1.0, min(self.kept_ratio * size, kept))
            self.step = self.step_ratio * max(size - self.cap, 0.1)
            self.step_ratio = max(self.step_ratio / 2, 1 / 32)
            self.kept_ratio = max(self.kept_ratio**2, 0.5)
        self.is_growing = False
        self.doubts, self.ceiling, self.last_good = [], size, 0


@dataclass
class QuantileTwin:
    slo_us: int
    max_size: int = MAX_SIZE
    cap: float = 1.0
    ratio: float = 1.0
    slope_us: float = 0.0
    is_searching: bool = True
    surprise: int = 0
    unprobed: int = 0
    learned: list[tuple[float, float, float]] = field(default_factory=list)
    """(weight, size, duration) of each batch that was learned."""

    def next_size(self) -> int:
        return int(self.cap + 1e-6)

    def means(self) -> tuple[float, float, float]:
        """Sum of weights, mean size and mean duration."""
        total = sum(weight for weight, _, _ in self.learned)
        return (
            total,
            sum(weight * size for weight, size, _ in self.learned) / total,
            sum(weight * us for weight, _, us in self.learned) / total,
        )

    def line_us(self, size: float) -> float:
        _, mean_size, mean_us = self.means()
        return max(mean_us + self.slope_us * (size - mean_size), 0.0)

    def observe(self, size: int, was_full: bool, duration_us: float) -> None:
        duration_us = min(duration_us, 9.0e15)
        if size == 0:
            return
        if not self.learned or self.believes(size, duration_us):
            self.learn(size, duration_us)
        if was_full and size <= self.next_size():
            self.move(size, duration_us)

    def believes(self, size: int, duration_us: float) -> bool:
        total, mean_size, mean_us = self.means()
        predicted = self.line_us(size)
        bounds = sorted((predicted, mean_us * size / mean_size))
        shortest, longest = max(bounds[0], 1.0), max(bounds[1], 1.0)
        surprise = (duration_us > 1.5 * longest + 200) - (duration_us * 1.5 + 200 < shortest)
        if surprise and (surprise == self.surprise or (surprise < 0 and total <= 1)):
            factor = max(duration_us, 1.0) / (longest if surprise > 0 else shortest)
            lift_us = max(mean_us, 1.0) - mean_us  # a line of nothing could be scaled for ever
            kept = min(1.0, 1.0 / total)
            self.learned = [(weight * kept, at, (us + lift_us) * factor) for weight, at, us in self.learned]
            self.slope_us *= factor
            self.surprise = 0
            return True
        self.surprise = surprise
        if not surprise:
            exceeds = duration_us > self.ratio * predicted + 1
            self.ratio = min(self.ratio + 0.018, 2.0) if exceeds else max(self.ratio - 0.002, 1.0)
        return not surprise

    def learn(self, size: int, duration_us: float) -> None:
        self.learned = [(0.9 * weight, at, us) for weight, at, us in self.learned[-400:]] + [(1.0, size, duration_us)]
        total, mean_size, mean_us = self.means()
        variance = sum(weight * (at - mean_size) ** 2 for weight, at, _ in self.learned) / total
        covariance = sum(weight * (at - mean_size) * (us - mean_us) for weight, at, us in self.learned) / total
        ridge = 0.0025 * mean_size**2
        self.slope_us = min(max((covariance + ridge * self.slope_us) / (variance + ridge), 0.0), mean_us / mean_size)

    def move(self, size: int, duration_us: float) -> None:
        target_us = target_of(self.slo_us)
        _, mean_size, mean_us = self.means()
        room_us = target_us / self.ratio - max(mean_us, 0.0)
        if self.slope_us * (self.max_size - mean_size) <= room_us:
            allowed = float(self.max_size)
        else:
            allowed = max(mean_size + room_us / self.slope_us, 0.0) if self.slope_us > 0 else 0.0
        growth = self.cap if self.is_searching else max(1.0, self.cap / 8)
        if self.surprise:
            return
        if 2 * duration_us < target_us:
            self.is_searching = True
        elif duration_us > target_us or allowed < self.cap + growth:
            self.is_searching = False
        self.cap = min(max(allowed, 0.5 * self.cap, 1.0), self.cap + growth, self.max_size)
        self.unprobed = self.unprobed + 1 if self.next_size() <= size else 0
        if self.unprobed >= 16:
            self.unprobed = 0
            self.cap = min(self.next_size() + 1, self.max_size)
