"""The obvious batch queue: a list per ring, no atomics, no slots. The compiled one has to behave exactly like it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Task:
    slot: int
    deadline_us: int
    drop_deadline_us: int


class BatchQueueTwin:
    """Rings 0..15 are the SLO classes, ring 16 is the requeue ring; one worker."""

    def __init__(self, ring_capacity: int) -> None:
        self.ring_capacity = ring_capacity
        self.rings: list[list[Task]] = [[] for _ in range(17)]

    def push(self, task: Task, slo_us: int) -> bool:
        return self._append(min(max((slo_us // 1000).bit_length() - 1, 0), 15), task)

    def requeue(self, task: Task) -> bool:
        return self._append(16, task)

    def _append(self, ring: int, task: Task) -> bool:
        if len(self.rings[ring]) == self.ring_capacity:
            return False
        self.rings[ring].append(task)
        return True

    def pop(self, max_size: int, now_us: int, base_us: int, per_item_us: float) -> tuple[list[Task], list[Task]]:
        batch: list[Task] = []
        dropped: list[Task] = []
        while len(batch) < max_size and len(self):
            size = min(max_size, len(batch) + len(self))  # what is dropped is not counted any more
            finish_us = now_us + base_us + int(size * per_item_us)
            ring = min((ring for ring in self.rings if ring), key=lambda ring: ring[0].deadline_us)
            task = ring.pop(0)
            (batch if task.drop_deadline_us >= finish_us else dropped).append(task)
        alive = [task for task in dropped if task.drop_deadline_us >= now_us]
        if not batch and alive:
            probe = max(reversed(alive), key=lambda task: task.drop_deadline_us)
            dropped.remove(probe)
            batch.append(probe)
        return batch, dropped

    def __len__(self) -> int:
        return sum(map(len, self.rings))
