"""Worker processes on one queue in shared memory, SIGKILLed under load: no slot is lost, no task answered twice.

Through the Python objects, as workers will hold them; tests/cpp/batch_queue_kill_test.cpp does the same without Python,
where a kill hits the queue's own instructions far more often.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import NoReturn

import pytest

from clipper._core.batch_queue import BatchQueue
from clipper._core.slot_pool import SlotPoolHandle
from clipper.errors import ClipperError

WORKERS = 3  # and the parent, as a worker that never asks: it claims what dead ones left when its ring is full
SLOTS, ARENA_BYTES, RING_CAPACITY = 64, 16 * 1024, 64
KILLS = 60
LONGEST_LIFE_S = 60
TURNS_UNDER_LOAD = 20
STOP, TURNS, FINISHED = 0, 1, 1 + WORKERS  # 32-bit words of the shared control block; the latter two + worker


def answer_to(question: int) -> int:
    return question * 0x9E3779B97F4A7C15 % 2**64


@dataclass
class World:
    """Everything the processes share; mappings made before the fork are at hand in each child."""

    logs: Path
    control: mmap = field(default_factory=lambda: mmap(-1, 4096))
    rings: mmap = field(default_factory=lambda: mmap(-1, BatchQueue.bytes_needed(WORKERS + 1, RING_CAPACITY)))
    pools: list[mmap] = field(default_factory=list)

    def __post_init__(self) -> None:
        for worker in range(WORKERS + 1):
            self.pools.append(mmap(-1, SlotPoolHandle.bytes_needed(SLOTS, ARENA_BYTES)))
            SlotPoolHandle(SLOTS, ARENA_BYTES, worker=worker, memory=self.pools[-1])

    def read(self, word: int) -> int:
        return int(struct.unpack_from("<I", self.control, 4 * word)[0])

    def write(self, word: int, value: int) -> None:
        struct.pack_into("<I", self.control, 4 * word, value)

    def view(self, worker: int, incarnation: int) -> tuple[list[SlotPoolHandle], BatchQueue]:
        pools = [SlotPoolHandle.attach(memory) for memory in self.pools]
        queue = BatchQueue(
            pools, worker=worker, incarnation=incarnation, ring_capacity=RING_CAPACITY, memory=self.rings
        )
        return pools, queue


def serve(pools: list[SlotPoolHandle], queue: BatchQueue, rng: random.Random) -> None:
    batch, dropped = queue.pop(rng.randrange(1, 24), 1)
    for slot in batch + dropped:
        if rng.random() < 0.1 and queue.requeue_slot(slot):
            continue
        origin, index = queue.split(slot)
        question = int.from_bytes(pools[origin].payload(index)[:8], "little")
        assert queue.complete_slot(slot, answer_to(question))


class Life:
    """One life of a worker; it notes each question before it asks and each answer after it came, one write each."""

    def __init__(self, world: World, worker: int, incarnation: int) -> None:
        self.world, self.worker, self.incarnation = world, worker, incarnation
        self.pools, self.queue = world.view(worker, incarnation)
        self.pool = self.pools[worker]
        self.rng = random.Random(worker * 1000 + incarnation)
        self.log = os.open(world.logs / f"{worker}.{incarnation}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.asked: dict[int, int] = {}
        self.number = 0
        if incarnation > 0:
            self.pool.recover()

    def ask(self) -> None:
        for _ in range(self.rng.randrange(8)):
            self.number += 1
            question = self.number << 24 | self.incarnation << 8 | self.worker
            slot = self.pool.acquire(question.to_bytes(8, "little") + bytes(self.rng.randrange(500)))
            if slot < 0:
                return
            self.pool.set_deadlines(slot, self.number, self.number)
            if not self.queue.push_slot(slot, self.rng.choice([1000, 2000, 4000])):
                assert self.pool.release(slot)
                return
            self.asked[slot] = question
            os.write(self.log, b"?" + question.to_bytes(8, "little"))

    def collect(self) -> None:
        for slot in self.pool.drain():
            question = self.asked.pop(slot)
            assert self.pool.result(slot) == answer_to(question)
            os.write(self.log, b"!" + question.to_bytes(8, "little"))
            assert self.pool.release(slot)

    def run(self) -> None:
        turns = 0
        while not all(self.world.read(FINISHED + worker) for worker in range(WORKERS)):
            stop = self.world.read(STOP) == 1
            if not stop:
                self.ask()
            serve(self.pools, self.queue, self.rng)
            self.collect()
            self.world.write(TURNS + self.worker, turns := turns + 1)
            if stop:  # and serve the others until they have finished too
                self.world.write(FINISHED + self.worker, int(not self.asked and self.pool.in_use == 0))
                time.sleep(0.001)
        assert self.pool.arena_used_bytes == 0


def start(world: World, worker: int, incarnation: int) -> int:
    world.write(TURNS + worker, 0)
    pid = os.fork()
    if pid == 0:
        run_and_exit(world, worker, incarnation)
    return pid


def run_and_exit(world: World, worker: int, incarnation: int) -> NoReturn:
    status = 1
    try:
        signal.alarm(LONGEST_LIFE_S)  # a lost slot shows as a worker that never finishes
        Life(world, worker, incarnation).run()
        status = 0
    except (AssertionError, KeyError, OSError, ClipperError):
        traceback.print_exc()
    finally:
        os._exit(status)


def wait_until_under_load(world: World, worker: int) -> None:
    give_up = time.monotonic() + 20
    while world.read(TURNS + worker) < TURNS_UNDER_LOAD:
        assert time.monotonic() < give_up, f"worker {worker} does no work"
        time.sleep(0.0005)


def read_log(path: Path) -> tuple[Counter[int], Counter[int]]:
    """Questions asked and questions answered by one life; a record is a mark and 8 bytes."""
    data = path.read_bytes()
    records = [
        (data[at : at + 1], int.from_bytes(data[at + 1 : at + 9], "little")) for at in range(0, len(data) - 8, 9)
    ]
    return (
        Counter(question for mark, question in records if mark == b"?"),
        Counter(question for mark, question in records if mark == b"!"),
    )


@pytest.mark.timeout(2 * LONGEST_LIFE_S)
def test_queue_after_many_sigkills_under_load_has_lost_no_slot_and_answered_nothing_twice(tmp_path: Path) -> None:
    world = World(tmp_path)
    rng = random.Random(3)
    pools, queue = world.view(WORKERS, 0)
    lives = [0] * WORKERS
    pids = [start(world, worker, 0) for worker in range(WORKERS)]
    try:
        for _ in range(KILLS):
            victim = rng.randrange(WORKERS)
            wait_until_under_load(world, victim)
            time.sleep(rng.random() * 0.003)
            os.kill(pids[victim], signal.SIGKILL)
            os.waitpid(pids[victim], 0)
            lives[victim] += 1
            pids[victim] = start(world, victim, lives[victim])  # recovers its pool while the sweep runs
            while not queue.sweep(victim, lives[victim] - 1):
                serve(pools, queue, rng)
        for worker in range(WORKERS):
            wait_until_under_load(world, worker)
        world.write(STOP, 1)
        statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    except BaseException:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise
    assert statuses == [0] * WORKERS
    assert len(queue) == 0
    for worker in range(WORKERS):
        assert pools[worker].in_use == 0
        for life in range(lives[worker] + 1):
            asked, answered = read_log(tmp_path / f"{worker}.{life}")
            assert max(answered.values(), default=1) == 1
            assert answered <= asked
            if life == lives[worker]:
                assert answered == asked
                assert asked
