"""Containers on this host and on others at one frontend: what is said to one kind must not hide what the other says."""

from __future__ import annotations

import functools
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_containers.wire import MessageType
from tests.support.data_path import WAIT_S, DataPath, application, data_path, model
from tests.support.puppet_container import PuppetContainer
from tests.support.raw_container import RawContainer

COMMAND_DELAY_S = 0.01  # ZeroMQ looks for news within a send at most once a millisecond or so


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path(transport="both") as serving:
        yield serving


@pytest.fixture
def remote_address(path: DataPath) -> str:
    return str(path.core.rpc.transports[1].address)


def remote(path: DataPath, address: str, name: str = "m", index: int = 0) -> PuppetContainer:
    puppet = PuppetContainer(address, model=name, replica_id=f"{name}:1:{index}")
    path.puppets.append(puppet)
    puppet.start()
    path.wait_ready(puppet.replica_id)
    return puppet


def test_near_and_far_replica_of_one_model_share_its_queries(path: DataPath, remote_address: str) -> None:
    near, far = RawContainer(path, index=0).start(), remote(path, remote_address, index=1)
    first, second = path.begin({"input": [1.0]}), path.begin({"input": [2.0]})
    header, inputs = near.take_batch()
    near.answer(header, [float(inputs[0][0])])
    batch = far.take_batch()
    far.answer(batch, [batch.inputs[0][0]])
    assert sorted([first.response().json["output"], second.response().json["output"]]) == [1.0, 2.0]


def test_far_host_that_is_gone_without_a_word_is_asked_for(path: DataPath, remote_address: str) -> None:
    remote(path, remote_address)
    port = int(remote_address.rpartition(":")[2])
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    timers = [line[5][:2] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == established]
    assert timers == ["02"], "the kernel's keep-alive timer runs on no connection of the port"


def test_send_to_a_far_container_hides_no_message_of_another(path: DataPath, remote_address: str) -> None:
    """ZeroMQ's descriptor tells of a message once, and a send takes that back; nothing else wakes this loop."""
    path.apply([application(), application("app2", models=["n"])], [model(batch_size=1), model("n")])
    near, far = RawContainer(path, index=0).start(), remote(path, remote_address, index=1)
    other = remote(path, remote_address, name="n")
    other_query = path.begin({"input": [9.0]}, "app2")
    other_batch = other.take_batch()
    queries = [path.begin({"input": [float(number)]}) for number in range(3)]  # one each, and one that waits
    near_header, _ = near.take_batch()
    far_batch = far.take_batch()
    path.wait_until(lambda: path.core.slots.in_use == 4)
    path.apply([application("app2", models=["n"])], [model("n")])
    for replica in (near, far):  # the model is gone: they leave when its queue is empty, both at once
        path.call(functools.partial(path.core.rpc.drain_replica, replica.replica_id))
    descriptor = path.core.rpc.transports[1].file_descriptor  # type: ignore[attr-defined]

    def speak_meanwhile(replica_id: str, state: str) -> None:
        """Called while the near one is told to leave; the far one is told next, over ZeroMQ."""
        if (replica_id, state) == (near.replica_id, "draining"):
            other.answer(other_batch, [9.0])
            assert select.select([descriptor], [], [], WAIT_S)[0]
            time.sleep(COMMAND_DELAY_S)

    path.on_report = speak_meanwhile
    near.answer(near_header, [1.0])
    assert other_query.response().json["output"] == 9.0
    near.answer(near.take_batch()[0], [1.0])
    far.answer(far_batch, [1.0])
    assert [query.response().json["output"] for query in queries] == [1.0, 1.0, 1.0]
    near.expect(MessageType.DRAIN)
    far.expect(MessageType.DRAIN)
