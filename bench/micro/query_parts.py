"""Which part of the data path an instruction belongs to, by the object file and the function it stands in.

Each compiled module of the core is an object file of its own, but what a module inlines or instantiates from a header
stands in the module: cache, slots and parser are C++ within ``predict_tasks``. Hence the patterns of functions.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from bench.micro.callgrind_profile import Profile


class Part(NamedTuple):
    """A row of the table: `objects` and `functions` are patterns that both must be found."""

    name: str
    objects: str
    functions: str = ""


_OURS = (
    r"^(query_processor|selection|predict_tasks|query_gather|predict_body|batch_results|dispatcher|slot_pool|"
    r"prediction_cache)\."
)

# The first that fits.
PARTS = (
    Part("HTTP parser (httptools)", r"^parser\."),
    Part("HTTP connection, route", r"^(http_\w+|route_table)\."),
    Part(
        "body parser",
        _OURS,
        r"InputReader|BodyReader|BodyCursor|ParsedBody|json_body|binary_body|scan_|JsonFault|Decimal|StringReader",
    ),
    Part("cache", _OURS, r"PredictionCache|KeyedHash|Cache(Entry|Index|Ghost|Check)"),
    Part("queue", _OURS, r"SlotPool|BuddyArena|HintRing|BatchQueue"),
    Part("queue", r"^batch_queue\."),
    Part("batch size, replica", r"^(dispatcher|batch_size|finish_model|model_runtime|replica)\."),
    Part("RPC", r"^(rpc_\w+|batch_results|batch_sender)\."),
    Part(
        "query: select, gather, reply",
        r"^(query_\w+|selection|predict_tasks|application|plan|context_plans|deadline_timer|histogram|counters)\.",
    ),
    Part("Python interpreter", r"^(libpython|python)|^_datetime\."),
    Part("C and C++ libraries", r""),
)
NAMES = tuple(dict.fromkeys(part.name for part in PARTS))


def part_of(object_name: str, function: str) -> str:
    """Name the part of the data path."""
    for part in PARTS:
        if re.search(part.objects, object_name) and re.search(part.functions, function):
            return part.name
    raise AssertionError("the last part fits everything")


def instructions_by_part(profile: Profile) -> Counter[str]:
    """Add up a profile's instructions by part."""
    by_part: Counter[str] = Counter()
    for (object_name, function), instructions in profile.instructions.items():
        by_part[part_of(object_name, function)] += instructions
    return by_part
