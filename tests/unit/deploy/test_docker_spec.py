"""What Docker is told of a replica, and the amounts that versions ask for."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.config import ClipperConfig, DockerConfig, ListenConfig, LogConfig, ManagementConfig
from clipper.deploy.build_image import ModelImage
from clipper.deploy.docker_spec import Identity, Surroundings, create_arguments, default_image
from clipper.deploy.manager import ReplicaExit, ReplicaSpec
from clipper.deploy.process import ProcessManager
from clipper.deploy.resources import cpus_of, memory_bytes_of, thread_environment
from clipper.errors import DeployError, InvalidArgumentError
from clipper.types import ReplicaId
from clipper.version import VERSION

ID = ReplicaId("digits:2:7")
SOCKETS = Path("/state/rpc")


def around(**docker: Any) -> Surroundings:
    identity = Identity("east", "mark", "life", Path("/state"))
    config = DockerConfig(cluster_name="east", **docker)
    return Surroundings(config, LogConfig(), identity, SOCKETS, "65532:65532")


def spec(*argv: str, resources: dict[str, int | str] | None = None, **env: str) -> ReplicaSpec:
    return ReplicaSpec(ID, argv or (sys.executable, "-m", "model_containers.sum"), env, resources or {})


def test_built_in_container_runs_in_the_default_image_by_its_python() -> None:
    arguments = create_arguments(spec(), around())
    assert arguments["image"] == default_image(DockerConfig()) == f"clipper/model-container:{VERSION}"
    assert arguments["entrypoint"] == ["python3"] and arguments["command"] == ["-m", "model_containers.sum"]
    assert arguments["name"] == "east.digits_2_7"


def test_named_image_keeps_its_own_program() -> None:
    arguments = create_arguments(spec("docker://registry:5000/mine:1", "--fast"), around(image="other:1"))
    assert (arguments["image"], arguments["command"]) == ("registry:5000/mine:1", ["--fast"])
    assert "entrypoint" not in arguments
    assert create_arguments(spec("/bin/serve"), around(image="other:1"))["image"] == "other:1"


def test_paths_and_addresses_are_those_inside_the_container(tmp_path: Path) -> None:
    (tmp_path / "func.pkl").write_text("")
    env = {"CLIPPER_RPC_ADDRESS": f"ipc://{SOCKETS}/rpc-1.sock,ipc://{SOCKETS}/rpc-0.sock"}
    env["CLIPPER_MODEL_PATH"] = str(tmp_path)
    arguments = create_arguments(ReplicaSpec(ID, (sys.executable,), env), around())
    inside = arguments["environment"]
    assert inside["CLIPPER_RPC_ADDRESS"] == "ipc:///run/clipper/rpc-1.sock,ipc:///run/clipper/rpc-0.sock"
    assert inside["CLIPPER_MODEL_PATH"] == "/model"
    assert {one["Target"]: (one["Source"], one["ReadOnly"]) for one in arguments["mounts"]} == {
        "/run/clipper": (str(SOCKETS), True),
        "/model": (str(tmp_path), True),
    }


def test_addresses_over_tcp_keep_their_order_and_bring_the_keys() -> None:
    addresses = ("tcp://10.0.0.1:70", "tcp://10.0.0.1:71")
    tcp = replace(around(rpc="tcp"), keys_file=Path("/state/keys"), tcp_addresses=addresses)
    env = {"CLIPPER_RPC_ADDRESS": f"ipc://{SOCKETS}/rpc-1.sock,ipc://{SOCKETS}/rpc-0.sock"}
    arguments = create_arguments(ReplicaSpec(ID, ("docker://mine",), env), tcp)
    assert arguments["environment"]["CLIPPER_RPC_ADDRESS"] == "tcp://10.0.0.1:71,tcp://10.0.0.1:70"
    assert arguments["environment"]["CLIPPER_RPC_KEYS"] == "/run/clipper.keys"
    assert [one["Target"] for one in arguments["mounts"]] == ["/run/clipper.keys"]


def test_model_directory_without_files_hides_nothing_of_the_image(tmp_path: Path) -> None:
    arguments = create_arguments(spec("docker://mine", CLIPPER_MODEL_PATH=str(tmp_path)), around())
    assert [one["Target"] for one in arguments["mounts"]] == ["/run/clipper"]


def test_resources_become_limits_and_zero_is_none() -> None:
    resources: dict[str, int | str] = {"cpu": "1500m", "memory": "512Mi", "unknown": "x"}
    limited = create_arguments(spec(resources=resources), around())
    assert limited["nano_cpus"] == 1_500_000_000 and limited["mem_limit"] == limited["memswap_limit"] == 512 << 20
    assert limited["environment"]["OMP_NUM_THREADS"] == "2"
    free = create_arguments(spec(), around(max_processes=0))
    assert not {"nano_cpus", "mem_limit", "pids_limit", "device_requests"} & free.keys()
    assert create_arguments(spec(), around(memory_bytes=1 << 30))["mem_limit"] == 1 << 30


def test_further_arguments_are_handed_on_and_may_relax_what_is_strict() -> None:
    arguments = create_arguments(spec(), around(extra_container_kwargs='{"read_only": false, "shm_size": "1g"}'))
    assert arguments["read_only"] is False and arguments["shm_size"] == "1g"


@pytest.mark.parametrize("text", ["[1]", "{", '{"name": "mine"}', '{"labels": {}}'])
def test_further_arguments_that_are_none_or_clippers_own_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="extra_container_kwargs"):
        DockerConfig(extra_container_kwargs=text)


@pytest.mark.parametrize(
    ("name", "value"),
    [("network", "host"), ("cluster_name", "a/b"), ("cluster_name", ""), ("user", "root"), ("host", "here"),
     ("rpc", "udp"), ("tmp_bytes", (1 << 16) - 1)],
)  # fmt: skip
def test_option_of_docker_that_is_not_valid_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=name):
        DockerConfig(**{name: value})


def test_rpc_over_tcp_needs_an_address_and_a_port_that_are_known() -> None:
    with pytest.raises(InvalidArgumentError, match="needs an address and a port"):
        ClipperConfig(
            Path("/tmp/x"),
            listen=ListenConfig(query_port=0, management_port=0),
            management=ManagementConfig(container_manager="docker"),
            docker=DockerConfig(rpc="tcp"),
        )


@given(st.integers(1, 1 << 40), st.sampled_from(["", "Ki", "Mi", "Gi", "k", "M", "G", "m", "g", "b"]))
def test_memory_is_its_number_times_its_unit(amount: int, unit: str) -> None:
    scale = {"": 1, "b": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
    scale |= {"m": 1 << 20, "g": 1 << 30}
    assert memory_bytes_of({"memory": f"{amount}{unit}"}) == amount * scale[unit]


@pytest.mark.parametrize("amount", ["", "x", "1.5.2Mi", "-1", "5Xi", 0, "0", "Mi", "1e9"])
def test_memory_that_is_no_amount_is_refused(amount: int | str) -> None:
    with pytest.raises(InvalidArgumentError, match="memory="):
        memory_bytes_of({"memory": amount})


@given(st.integers(1, 100_000))
def test_cpus_are_told_in_whole_ones_or_thousandths(amount: int) -> None:
    assert cpus_of({"cpu": amount}) == amount == 1000 * cpus_of({"cpu": f"{amount}m"})
    assert set(thread_environment({"cpu": f"{amount}m"}).values()) == {str(-(-amount // 1000))}


@pytest.mark.parametrize("amount", ["two", "0", "", "1.5mm", "inf"])
def test_cpus_that_are_no_amount_are_refused_and_set_no_threads(amount: str) -> None:
    with pytest.raises(InvalidArgumentError, match="cpu="):
        cpus_of({"cpu": amount})
    assert thread_environment({"cpu": amount}) == {}


def test_image_is_refused_where_replicas_are_processes(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="replicas are processes here: start Clipper with --container-manager docker"):
        asyncio.run(ProcessManager(tmp_path).start_replica(spec("docker://mine")))


def test_end_with_a_note_says_it() -> None:
    assert str(ReplicaExit(ID, -9, "it ran out of memory")) == "was killed by signal 9: it ran out of memory"


def test_dockerfile_installs_before_it_copies_and_needs_no_shell() -> None:
    lines = ModelImage("mine:1", "base:1", Path("model"), ("scikit-learn==1.5.0",), ("python3", "x")).dockerfile()
    steps = [line.split(" ", 1)[0] for line in lines.splitlines()]
    assert steps == ["FROM", "USER", "RUN", "USER", "COPY", "ENV", "ENTRYPOINT"]
    assert '"scikit-learn==1.5.0"]' in lines and lines.count("65532:65532") == 2
