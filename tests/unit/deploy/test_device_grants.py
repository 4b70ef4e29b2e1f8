"""What replicas are told of their devices, what is refused, and what is said when there is not enough."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest

from clipper.deploy.device_demand import check_fits, demand_of, waiting_text
from clipper.deploy.device_environment import check_variables, default_variables, process_variables
from clipper.deploy.devices import Device, DeviceLedger, Grant
from clipper.deploy.docker_spec import DEVICES_LABEL, create_arguments, grant_of
from clipper.deploy.manager import ReplicaSpec
from clipper.deploy.resources import GPU, gpus_of, with_gpus
from clipper.errors import ConflictError, InvalidArgumentError
from clipper.registry.documents import from_stored
from clipper.registry.records import ModelVersion
from clipper.state.store import StoredState
from clipper.types import ModelId, ReplicaId, Revision
from tests.unit.deploy.test_docker_spec import around

SVM = ModelId("svm", "1")
ID = ReplicaId("svm:1:0")
TWO = (Device("GPU-a"), Device("GPU-b", "H100"))
HALF, BOTH = Grant(("GPU-a",), Fraction(1, 2)), Grant(("GPU-a", "GPU-b"))


@pytest.mark.parametrize(
    ("gpus", "kept"), [(1, 1), (2.0, 2), (0.5, "0.5"), (1 / 3, "0.3333"), (0, 0), (256, 256), (0.01, "0.01")]
)
def test_gpus_become_the_resource_of_kubernetes(gpus: float, kept: int | str) -> None:
    assert with_gpus({"cpu": 1}, gpus) == {"cpu": 1, GPU: kept}


@pytest.mark.parametrize("gpus", [-1, 1.5, 257, 0.001, 0.00001, 0.995, float("nan"), float("inf"), True, "1", [1]])
def test_gpus_that_are_no_amount_are_refused_with_what_would_be(gpus: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"gpus=.*whole devices up to 256, or a share .* from 0\.01 to 0\.99"
    ):
        with_gpus({}, gpus)


@pytest.mark.parametrize("amount", ["500m", "1.5", -1, "0.00001", "", "1e0", 257, "half"])
def test_resource_that_is_no_number_of_devices_is_refused_and_stored_ones_ask_for_nothing(amount: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"nvidia\.com/gpu="):
        with_gpus({GPU: amount}, None)
    assert demand_of({GPU: amount}, is_deployed=True) is None


def test_amount_that_is_said_twice_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="say the same"):
        with_gpus({GPU: 1}, 1)
    assert with_gpus({GPU: "0.5"}, None) == {GPU: "0.5"} and gpus_of({}) == 0


def test_versions_stored_before_there_were_devices_ask_for_none() -> None:
    version = {"name": "svm", "version": "1", "input_type": "doubles", "container": "noop", "labels": []}
    document = {"name": "svm", "versions": {"1": version}, "current_version": "1"}
    stored = from_stored(StoredState(Revision(1), {"model/svm": document}))
    (loaded,) = stored.all_versions()
    assert demand_of(loaded.resources, is_deployed=True) is None
    again = ModelVersion("svm", "2", "doubles", "noop", resources=with_gpus({}, 0.5))
    assert gpus_of(again.resources) == Fraction(1, 2)


def test_process_sees_its_devices_and_keeps_to_its_share() -> None:
    assert process_variables(HALF, {}) == {"CUDA_VISIBLE_DEVICES": "GPU-a"}
    assert process_variables(BOTH, {}) == {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}
    numbered = process_variables(Grant(("0", "1")), {})
    assert numbered == {"CUDA_VISIBLE_DEVICES": "0,1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert default_variables(BOTH) == {"CLIPPER_GPU_DEVICE": "cuda"}
    assert default_variables(HALF) == {
        "CLIPPER_GPU_DEVICE": "cuda",
        "CLIPPER_GPU_MEMORY_RATIO": "0.5",
        "CUPY_GPU_MEMORY_LIMIT": "50.00%",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5",
    }


def test_version_that_says_nothing_is_left_as_it_was_and_one_that_says_0_sees_no_device() -> None:
    assert process_variables(None, {}) == {} == default_variables(None)
    assert process_variables(None, with_gpus({}, 0)) == {"CUDA_VISIBLE_DEVICES": ""}
    nothing = create_arguments(ReplicaSpec(ID, ("docker://mine",), {}), around())
    assert "device_requests" not in nothing and not {"CUDA_VISIBLE_DEVICES"} & nothing["environment"].keys()
    none = create_arguments(ReplicaSpec(ID, ("docker://mine",), {}, with_gpus({}, 0)), around())["environment"]
    assert (none["CUDA_VISIBLE_DEVICES"], none["NVIDIA_VISIBLE_DEVICES"]) == ("", "void")


def test_container_is_given_its_devices_and_its_label_tells_which() -> None:
    spec = ReplicaSpec(ID, ("docker://mine",), {"CLIPPER_GPU_DEVICE": "cpu"}, with_gpus({}, 0.5), HALF)
    arguments = create_arguments(spec, around())
    assert arguments["device_requests"] == [{"Driver": "nvidia", "DeviceIDs": ["GPU-a"], "Capabilities": [["gpu"]]}]
    environment = arguments["environment"]
    assert environment["CLIPPER_GPU_DEVICE"] == "cpu", "the version's own word goes before the default"
    assert environment["CLIPPER_GPU_MEMORY_RATIO"] == "0.5" and "CUDA_VISIBLE_DEVICES" not in environment
    assert grant_of(arguments["labels"]) == HALF and grant_of({}) is None
    assert grant_of({DEVICES_LABEL: "nonsense"}) is None


def test_container_with_devices_gets_no_others_whatever_all_containers_are_given() -> None:
    everything = around(extra_container_kwargs='{"device_requests": [{"Count": -1, "Capabilities": [["gpu"]]}]}')
    with_grant = create_arguments(ReplicaSpec(ID, ("docker://mine",), {}, with_gpus({}, 2), BOTH), everything)
    assert with_grant["device_requests"][0]["DeviceIDs"] == ["GPU-a", "GPU-b"]
    assert create_arguments(ReplicaSpec(ID, ("docker://mine",), {}), everything)["device_requests"][0]["Count"] == -1


def test_environment_that_chooses_devices_is_refused_beside_gpus_and_allowed_without() -> None:
    own = {"CUDA_VISIBLE_DEVICES": "1"}
    check_variables(own, {"cpu": 1})
    for gpus in (0, 1, 0.5):
        with pytest.raises(InvalidArgumentError, match="cannot set CUDA_VISIBLE_DEVICES"):
            check_variables(own, with_gpus({}, gpus))
        check_variables({}, with_gpus({}, gpus))


@pytest.mark.parametrize(
    ("gpus", "replicas", "count", "said"),
    [
        (1, 1, 0, r"svm:1 asks for 1 replica with gpus=1, and this machine has none.*nvidia-smi -L"),
        (1, 3, 2, r"3 replicas with gpus=1 each, .* has 2 devices: GPU-a, GPU-b.*at most 2 such replicas"),
        (0.5, 5, 2, r"5 replicas with gpus=0\.5 each.*at most 4"),
        (0.51, 2, 1, r"gpus=0\.51 each.*1 device: GPU-a.*at most 1 such replica"),
        (2, 1, 1, r"1 replica with gpus=2, and this machine has 1 device: GPU-a"),
    ],
)
def test_what_can_never_fit_is_refused_with_what_there_is(gpus: float, replicas: int, count: int, said: str) -> None:
    resources = with_gpus({}, gpus)
    with pytest.raises(ConflictError) as caught:
        check_fits(SVM, resources, replicas, TWO[:count])
    assert re.search(said, str(caught.value), re.DOTALL), str(caught.value)
    check_fits(SVM, resources, replicas, (*TWO, Device("GPU-c")))
    check_fits(SVM, {"cpu": 1}, 99, ())


def test_waiting_says_for_what_and_who_has_it() -> None:
    ledger = DeviceLedger(TWO)
    ledger.hold(ReplicaId("net:1:0"), HALF)
    ledger.hold(ReplicaId("tree:1:0"), Grant(("GPU-b",)))
    assert waiting_text(1, with_gpus({}, 1), ledger) == (
        "1 replica waits for a device: GPU-a is held by net:1:0 (0.5), 0.5 is free; GPU-b is held by tree:1:0"
    )
    assert waiting_text(2, with_gpus({}, 0.7), ledger).startswith("2 replicas wait for 0.7 of a device each: ")
    assert waiting_text(1, with_gpus({}, 0.5), ledger).endswith("and kept for a replica that is started again")
    assert waiting_text(1, with_gpus({}, 2), DeviceLedger()) == (
        "1 replica waits for 2 devices: this machine has no device"
    )
    ledger.release(ReplicaId("tree:1:0"))
    assert ledger.free() == {"GPU-a": Fraction(1, 2), "GPU-b": 1}
    assert "GPU-b is free" in ledger.describe()
