"""What a hundred thousand contexts take in memory, as docs/operations.md states it."""

from __future__ import annotations

import gc
import json
import re
import tracemalloc
from pathlib import Path

from tests.support.learning import NOW_US, World, observation, options
from tests.support.repository import text_of

COUNT = 100_000
POLICY = {"name": "thompson"}


def stated_bytes() -> int:
    (found,) = re.findall(r"at most (\d+) KiB a context", text_of(Path("docs/operations.md")))
    return int(found) * 1024


def test_hundred_thousand_contexts_take_no_more_memory_than_is_stated() -> None:
    world = World(options(POLICY, has_contexts=True, max_contexts=COUNT), arms=("a:1", "b:1", "c:1", "d:1"))
    world.fold([observation(number, "user-0", label=number % 2) for number in range(50)])
    world.learner.make_plans(0)
    key = world.learner.context_key("user-0")
    text = json.dumps(world.flush().documents[key])
    one = world.learner.contexts.get("user-0")
    assert one is not None and one.plan_json
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(1, COUNT):
            # As it comes back from the store, and is then planned for: nothing is shared but what the code shares.
            name = f"user-{number:06}"
            world.learner.admit(name, json.loads(text), NOW_US)
            context = world.learner.contexts.get(name)
            assert context is not None
            context.plan_json = one.plan_json[:-1] + "}"
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(world.learner.contexts) == COUNT
    assert (after - before) / COUNT <= stated_bytes()
