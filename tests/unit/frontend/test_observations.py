"""Observations: numbered, sent at most every 20 ms, kept until they are acknowledged, sent again after a reconnect."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from clipper.frontend.observations import MAX_MESSAGE_BYTES, MAX_MESSAGE_ITEMS, MAX_UNSENT_BYTES, Observations
from tests.support.recording_channel import RecordingChannel

EPOCH = 77


class Timer:
    """A loop's ``call_later`` whose time is moved by hand."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def __call__(self, _seconds: float, callback: Callable[[], None]) -> None:
        self.calls.append(callback)

    def fire(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


def make(*, connected: bool = True, **limits: int) -> tuple[Observations, RecordingChannel, Timer]:
    channel, timer = RecordingChannel(is_connected=connected), Timer()
    return Observations(channel, epoch=EPOCH, call_later=timer, **limits), channel, timer


def observed(application: str, seq: int, epoch: int = EPOCH) -> dict[str, Any]:
    return {"type": "observed", "application": application, "epoch": epoch, "seq": seq}


def test_observations_of_a_turn_are_sent_together_and_once() -> None:
    observations, channel, timer = make()
    for number in range(3):
        observations.add("app", b'{"n":%d}' % number)
    assert len(timer.calls) == 1
    timer.fire()
    assert channel.take("observations") == [
        {
            "type": "observations",
            "application": "app",
            "epoch": EPOCH,
            "first_seq": 1,
            "items": [{"n": 0}, {"n": 1}, {"n": 2}],
        }
    ]
    observations.add("app", b'{"n":3}')
    timer.fire()
    (message,) = channel.take("observations")
    assert (message["first_seq"], message["items"]) == (4, [{"n": 3}])


def test_applications_are_numbered_apart() -> None:
    observations, channel, timer = make()
    observations.add("a", b"1")
    observations.add("b", b"2")
    timer.fire()
    assert [(m["application"], m["first_seq"]) for m in channel.take("observations")] == [("a", 1), ("b", 1)]


def test_unacknowledged_observations_are_sent_again_after_a_reconnect() -> None:
    observations, channel, timer = make()
    for number in range(4):
        observations.add("app", b"%d" % number)
    timer.fire()
    channel.take("observations")
    observations.acknowledge(observed("app", 2))
    channel.is_connected = False
    observations.add("app", b"4")
    assert timer.calls == [], "nothing is sent to nobody"
    channel.is_connected = True
    observations.reconnected()
    timer.fire()
    (message,) = channel.take("observations")
    assert (message["first_seq"], message["items"]) == (3, [2, 3, 4])


def test_acknowledgement_for_another_life_or_application_changes_nothing() -> None:
    observations, _, timer = make()
    observations.add("app", b"1")
    timer.fire()
    observations.acknowledge(observed("app", 1, epoch=EPOCH - 1))
    observations.acknowledge(observed("other", 1))
    assert observations.waiting() == {"app": 1}
    observations.acknowledge(observed("app", 1))
    assert observations.waiting() == {"app": 0}
    assert observations.unacknowledged_bytes == 0


def test_acknowledgement_of_what_was_never_sent_is_not_believed(caplog: Any) -> None:
    observations, _, _ = make()
    observations.add("app", b"1")
    observations.acknowledge(observed("app", 1))
    assert observations.waiting() == {"app": 1}
    assert "only 0 were sent" in caplog.text


def test_oldest_observations_are_lost_when_too_many_wait() -> None:
    observations, channel, timer = make(connected=False, max_items=3)
    for number in range(5):
        observations.add("app", b"%d" % number)
    assert observations.lost() == {"app": 2}
    channel.is_connected = True
    observations.reconnected()
    timer.fire()
    (message,) = channel.take("observations")
    assert (message["first_seq"], message["items"]) == (3, [2, 3, 4])


def test_observations_are_bounded_in_bytes_as_well() -> None:
    observations, _, _ = make(connected=False, max_bytes=10)
    observations.add("app", b"12345")
    observations.add("app", b"67890")
    assert observations.lost() == {"app": 0}
    observations.add("app", b"1")
    assert (observations.lost(), observations.unacknowledged_bytes) == ({"app": 1}, 6)


def test_application_with_most_observations_loses_its_oldest() -> None:
    observations, _, _ = make(connected=False, max_items=3)
    for application in ("quiet", "busy", "busy", "busy"):
        observations.add(application, b"1")
    assert observations.lost() == {"quiet": 0, "busy": 1}


def test_messages_are_bounded_in_items_and_in_bytes() -> None:
    observations, channel, timer = make()
    for _ in range(MAX_MESSAGE_ITEMS + 1):
        observations.add("app", b"1")
    timer.fire()
    assert [len(m["items"]) for m in channel.take("observations")] == [MAX_MESSAGE_ITEMS, 1]
    long = b'"%s"' % (b"x" * MAX_MESSAGE_BYTES)
    for item in (long, b"1", b"2"):
        observations.add("app", item)
    timer.fire()
    assert [len(m["items"]) for m in channel.take("observations")] == [1, 2]


def test_nothing_more_is_sent_while_management_does_not_read() -> None:
    observations, channel, timer = make()
    channel.unsent_bytes = MAX_UNSENT_BYTES + 1
    observations.add("app", b"1")
    timer.fire()
    assert channel.lines == []
    channel.unsent_bytes = 0
    timer.fire()
    assert len(channel.lines) == 1


def test_observations_of_an_application_that_is_gone_are_forgotten_and_numbers_go_on() -> None:
    observations, channel, timer = make()
    observations.add("app", b"1")
    observations.keep({"other"})
    timer.fire()
    assert (observations.waiting(), channel.lines) == ({"app": 0}, [])
    observations.add("app", b"2")
    timer.fire()
    assert [m["first_seq"] for m in channel.take("observations")] == [2]


def test_settling_waits_for_management_and_not_for_one_that_is_away() -> None:
    async def settle() -> None:
        observations, channel, _ = make()
        observations.add("app", b"1")
        task = asyncio.create_task(observations.settle(60.0))
        while not channel.lines:
            await asyncio.sleep(0)
        assert not task.done()
        observations.acknowledge(observed("app", 1))
        await task
        observations.add("app", b"2")
        channel.is_connected = False
        await observations.settle(60.0)

    asyncio.run(settle())


class OutboxMachine(RuleBasedStateMachine):
    """Management that folds each number once gets everything in order, but what is counted as lost."""

    def __init__(self) -> None:
        super().__init__()
        self.observations, self.channel, self.timer = make(max_items=6)
        self.numbers = itertools.count(1)
        self.folded: list[int] = []
        self.flushed = 0

    @rule(count=st.integers(1, 4))
    def add(self, count: int) -> None:
        for number in itertools.islice(self.numbers, count):
            self.observations.add("app", b"%d" % number)

    @rule()
    def deliver(self) -> None:
        self.timer.fire()
        for message in self.channel.take("observations"):
            for seq, item in enumerate(message["items"], message["first_seq"]):
                assert seq == item, "an observation keeps its number"
                if not self.folded or item > self.folded[-1]:
                    self.folded.append(item)

    @rule(back=st.integers(0, 3))
    def flush(self, back: int) -> None:
        if self.channel.is_connected and self.folded:
            self.flushed = max(self.flushed, self.folded[-1] - back)
            self.observations.acknowledge(observed("app", self.flushed))

    @rule(is_killed=st.booleans())
    def disconnect(self, is_killed: bool) -> None:
        self.channel.is_connected = False
        self.channel.lines.clear()
        if is_killed:  # what was not in store is folded anew
            self.folded = [item for item in self.folded if item <= self.flushed]

    @rule()
    def connect(self) -> None:
        if not self.channel.is_connected:
            self.channel.is_connected = True
            self.observations.reconnected()

    def teardown(self) -> None:
        self.connect()
        self.deliver()
        given = next(self.numbers) - 1
        # Everything has come, but what is lost; what was folded and then lost, before it was in store, came as well.
        assert given - len(self.folded) <= self.observations.lost().get("app", 0)

    @invariant()
    def is_bounded(self) -> None:
        assert self.observations.unacknowledged <= 6


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(stateful_step_count=30)
