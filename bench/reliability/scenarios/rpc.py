"""Rows about the socket that containers connect to: whatever comes by it, only who sent it suffers."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.reliability.client import Outcome
from bench.reliability.context import Bench
from bench.reliability.instance import FRONTEND, Instance
from bench.reliability.leaks import check_footprint, settled
from bench.reliability.load import Load, check_answers
from bench.reliability.scenario import row

SLO_US: Final = 5_000_000
RATE_PER_S: Final = 100
TORN_SHARE: Final = 0.05  # of the messages end in the middle
STRANGER_SHARE: Final = 0.3  # of the connections never register
CONVERSATION: Final = 30  # messages on a connection that is not ended before


@dataclass
class Seen:
    """What became of all messages."""

    messages: int = 0
    connections: int = 0
    ended: int = 0
    torn: int = 0
    garbage_taken: list[object] = field(default_factory=list)


@row(
    "rpc-frames",
    scenario="RPC: hypothesis-generated and mutated frames, 100,000 of them",
    claim="no crash, no leak, offender disconnected and logged; queries beside are untouched",
    order=120,
)
def rpc_frames(bench: Bench) -> None:
    """From strangers and from containers that are ready and get batches; a second model is served beside."""
    count = bench.pick(1_500, 100_000)
    with (
        bench.own() as instance,
        instance.serving(SLO_US, container="noop") as app,
        instance.serving(1_000_000, container="noop") as target,
        Load(instance, app, RATE_PER_S, limit_s=SLO_US / 1e6) as load,
        Load(instance, target, RATE_PER_S) as target_load,
    ):
        pid = instance.pid_of(FRONTEND)
        send_all(instance, target, bench.pick(300, 5_000), seed=0)  # what is allocated once, and kept, is not a leak
        loads = (load, target_load)
        before, logged_before = settled(bench, instance, beside=loads), count_logged(instance)
        seen = send_all(instance, target, count, seed=1)
        told = f"{seen.messages:,} on {seen.connections:,} connections, {seen.ended:,} of them ended by the frontend"
        bench.check("messages", told, seen.messages >= count and seen.ended > 0)
        bench.check("garbage that was not hung up on", f"{seen.garbage_taken[:1] or 0}", not seen.garbage_taken)
        bench.check("the frontend lives", f"process {pid}", instance.pid_of(FRONTEND) == pid)
        check_footprint(bench, "frames", before, instance, beside=loads)
        bench.wait_until(lambda: count_logged(instance) - logged_before >= seen.ended, what="the log")
        logged = count_logged(instance) - logged_before
        # More than these: torn messages, and what of the ones before the count is told with the next second's.
        bench.check("offenders logged", f"{logged:,}; {seen.torn:,} messages were torn", seen.ended <= logged)
    check_answers(bench, load.account)
    bench.check("answered beside", load.account.summary(), load.account.count(Outcome.DEFAULT) == 0)
    bench.check("requests to the model of the offenders", target_load.account.summary(), _one_each(target_load))


def _one_each(load: Load) -> bool:
    """Whether each got one answer, whatever it says: its containers are believed."""
    return not any(load.account.count(end) for end in (Outcome.LOST, Outcome.UNANSWERED, Outcome.EXTRA))


def send_all(instance: Instance, model: str, count: int, *, seed: int) -> Seen:
    """Send so many generated messages to the frontend, as strangers and as containers of a model."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    from bench.reliability.rpc_frames import Message, messages

    seen, chance = Seen(), random.Random(seed)
    address = f"ipc://{instance.run_dir}/rpc-0.sock"

    @seeded(seed)
    @settings(
        max_examples=count // CONVERSATION + 1,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(messages, min_size=CONVERSATION, max_size=CONVERSATION))
    def converse(several: Sequence[Message]) -> None:
        _converse(address, model, several, seen, chance)

    while seen.messages < count:
        converse()
    return seen


def _converse(address: str, model: str, several: Sequence[object], seen: Seen, chance: random.Random) -> None:
    from bench.reliability.rpc_frames import Message, Peer, Verdict

    peer: Peer | None = None
    for message in several:
        if not isinstance(message, Message):
            raise TypeError(message)
        if peer is None:
            peer = Peer(address, "" if chance.random() < STRANGER_SHARE else model)
            seen.connections += 1
        seen.messages += 1
        if chance.random() < TORN_SHARE:
            seen.torn += 1
            peer.send_torn(message, chance)
            verdict = Verdict.ENDED
        else:
            verdict = peer.send(message)
            seen.ended += verdict == Verdict.ENDED
            if verdict == Verdict.TAKEN and message.is_garbage:
                seen.garbage_taken.append(message)
        if verdict == Verdict.ENDED:
            peer.close()
            peer = None
    if peer is not None:
        peer.close()


def count_logged(instance: Instance) -> int:
    """Return how many offenders the frontend's log names or counts."""
    total = 0
    for file in sorted((instance.run_dir / "logs").glob("frontend-0.log*")):
        text = file.read_text(encoding="utf-8", errors="replace")
        total += len(re.findall(r"protocol error from ", text))
        total += sum(int(number) for number in re.findall(r"(\d+) more protocol errors were not logged", text))
    return total
