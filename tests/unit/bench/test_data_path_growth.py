"""The data path that is counted answers like the real one, and keeps nothing of a query once it is answered."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator

import pytest

from bench.micro.data_path_cases import CASES, Case, Runner, noop_request

WARM_UP_TURNS = 100
FILLING_TURNS = 150  # of 32 queries: then the cache is full, and each new output evicts one
TRIAL_TURNS = 50
TRIALS = 20  # at most: the first that leaves nothing ends them


class MallInfo2(ctypes.Structure):
    """glibc's struct mallinfo2; `uordblks` is what is allocated in the main arena, in bytes."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def heap_bytes() -> int:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallInfo2
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


@pytest.mark.parametrize("name", CASES)
def test_live_memory_after_warm_up_does_not_grow_with_queries(runner: Runner, name: str) -> None:
    case = CASES[name]
    runner.run(CASES["noop"], FILLING_TURNS)
    runner.run(case, WARM_UP_TURNS)
    blocks, heap = [], []
    for _ in range(TRIALS):
        gc.collect()
        before = sys.getallocatedblocks(), heap_bytes()
        runner.run(case, TRIAL_TURNS)
        gc.collect()
        blocks.append(sys.getallocatedblocks() - before[0])
        heap.append(heap_bytes() - before[1])
        if min(blocks) < TRIAL_TURNS / 2 and min(heap) < 16 * TRIAL_TURNS / 2:
            break
    # What a turn leaves behind, it leaves in every trial: at least one block, or the 16 bytes of the smallest malloc.
    # A table that has to grow once does not, nor do the interpreter's free lists, which fill up over several trials
    # after other tests have used them; and the two lists above do not take half of that.
    assert min(blocks) < TRIAL_TURNS / 2, f"Python blocks by trial of {TRIAL_TURNS} turns: {blocks}"
    assert min(heap) < 16 * TRIAL_TURNS / 2, f"bytes of heap by trial of {TRIAL_TURNS} turns: {heap}"


def test_query_that_the_model_did_not_answer_stops_the_measurement(runner: Runner) -> None:
    nowhere = Case("no such application", lambda counter: noop_request(counter).replace(b"/noop/", b"/nope/"))
    with pytest.raises(RuntimeError, match="not every query was answered by the model"):
        runner.run(nowhere, 1)
