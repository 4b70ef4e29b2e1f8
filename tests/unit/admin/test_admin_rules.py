"""The rules of names, images, packages and arguments, in the original's words where it has some."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from clipper.admin import ClipperConnection, ClipperException, ProcessContainerManager
from clipper.admin.deployers.python import deploy_python_closure
from clipper.admin.exceptions import told_as_original
from clipper.admin.images import container_of
from clipper.admin.names import check_batch_size, check_versioned_name
from clipper.admin.predict_check import check_predict_function
from clipper.errors import AlreadyExistsError, DeployError, NotFoundError
from model_containers.python_function.original import OriginalFunction


@pytest.fixture
def connection() -> ClipperConnection:
    return ClipperConnection(ProcessContainerManager("never-started"))


@pytest.mark.parametrize("value", ["", "Upper", "under_score", "dot.ted", "-dash", "dash-", "line\n"])
def test_bad_name_and_version_are_refused_in_the_originals_words(connection: ClipperConnection, value: str) -> None:
    with pytest.raises(ClipperException, match="a model name must be a valid DNS-1123  subdomain"):
        connection.build_model(value, 1, "/tmp", "image")
    with pytest.raises(ClipperException, match=r"a model version must be a valid DNS-1123"):
        deploy_python_closure(connection, "name", value, "doubles", len)


def test_good_name_and_any_version_that_spells_a_label_are_accepted() -> None:
    check_versioned_name("a-1", "1")
    check_versioned_name("0", str(20))


def test_image_cannot_be_built_without_docker(connection: ClipperConnection) -> None:
    with pytest.raises(ClipperException, match="images come with Docker") as caught:
        connection.build_model("m", 1, "/tmp", "clipper/python-closure-container:develop")
    assert "deployers.python" in caught.value.msg


@pytest.mark.parametrize(
    ("image", "container"),
    [
        ("noop", "noop"), ("clipper/noop-container:develop", "noop"), ("localhost:5000/clipper/sum-container", "sum"),
        ("mine", "mine"), ("registry/mine:3", "mine"),
    ],
)  # fmt: skip
def test_image_whose_program_is_here_means_that_program(image: str, container: str) -> None:
    assert container_of(image, {"mine"}) == container


@pytest.mark.parametrize("image", ["clipper/pytorch-container:1", "", None])
def test_other_image_is_refused_with_what_to_do(image: Any) -> None:
    with pytest.raises(ClipperException, match="image"):
        container_of(image, {"mine"})


@pytest.mark.parametrize("batch_size", [0, -2, 1.5, "9", True])
def test_batch_size_is_positive_or_the_default(batch_size: Any) -> None:
    with pytest.raises(ClipperException, match="The batch size must be positive or DEFAULT_BATCH_SIZE, which is -1"):
        check_batch_size(batch_size)


def test_argument_of_dockers_that_has_no_effect_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "clipper.admin"):
        ProcessContainerManager(use_centralized_log=True, docker_network="mine")
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [
        "use_centralized_log", "docker_network",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"redis_ip": "redis.example"}, "CLIPPER_STATE__URL"),
        ({"cluster_name": "a/b"}, "no name for a cluster"),
        ({"cluster_name": ""}, "no name for a cluster"),
        ({"clipper_query_port": 5000, "clipper_management_port": 5000}, "both 5000"),
        ({"containers": {"mine": "python mine.py"}}, "expected a program and its arguments"),
    ],
)
def test_argument_that_cannot_be_had_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ClipperException, match=match):
        ProcessContainerManager(**options)


def test_several_frontends_are_refused_as_they_were(connection: ClipperConnection) -> None:
    with pytest.raises(ClipperException, match="scale-out hasn't been implemented"):
        connection.start_clipper(num_frontend_replicas=2)


def test_cluster_that_does_not_run_cannot_be_connected_to_and_is_stopped_already(connection: ClipperConnection) -> None:
    with pytest.raises(ClipperException, match=r"Cluster never-started does not run"):
        connection.connect()
    assert not connection.connected
    connection.stop_all()


def test_clipper_of_another_machine_is_not_this_managers_to_start_or_stop() -> None:
    connection = ClipperConnection(ProcessContainerManager(management_url="http://127.0.0.1:9"))
    for call in (connection.start_clipper, connection.stop_all):
        with pytest.raises(ClipperException, match="cannot be"):
            call()
    with pytest.raises(ClipperException, match="cannot be reached"):
        connection.connect()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NotFoundError("gone", hint="look"), "Received error status code: 404 and message: gone (look)"),
        (AlreadyExistsError("there"), "Received error status code: 400 and message: there"),
        (DeployError("died", log_tail="why"), "died\n--- last lines of the container's log ---\nwhy"),
    ],
)
def test_error_is_told_as_the_original_tells_it(error: Exception, message: str) -> None:
    with pytest.raises(ClipperException) as caught, told_as_original():
        raise error
    assert caught.value.msg == str(caught.value) == message
    assert caught.value.__cause__ is error


def test_package_that_is_missing_is_named_before_anything_is_done(connection: ClipperConnection) -> None:
    with pytest.raises(ClipperException, match=r"'no-such-thing==1', which is not installed"):
        deploy_python_closure(connection, "m", 1, "doubles", len, pkgs_to_install=["numpy", "no-such-thing==1"])
    with pytest.raises(ClipperException, match="expected a list"):
        deploy_python_closure(connection, "m", 1, "doubles", len, pkgs_to_install="numpy")
    with pytest.raises(ClipperException, match="cannot be called"):
        deploy_python_closure(connection, "m", 1, "doubles", 7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "input_type", "answer"),
    [
        ({"input": [1.0, 2.0]}, "doubles", [3.0]),
        ({"input_batch": [[1, 2], [3, 4]]}, "integers", [3, 7]),
        ({"input": [1, 2]}, "doubles", "Invalid input type"),
        ({"input": [1.0]}, "integers", "Invalid input type"),
        ({"input": [1.0]}, "pictures", "Invalid input type"),
        ({"input_batch": [1.0]}, "doubles", "Invalid input type or JSON key"),
        ({"inputs": [1.0]}, "doubles", "Invalid input type or JSON key"),
    ],
)
def test_function_is_tried_on_a_query(query: dict[str, Any], input_type: str, answer: Any) -> None:
    assert check_predict_function(query, lambda inputs: [sum(one) for one in inputs], input_type) == answer


def test_function_is_tried_on_texts_and_bytes() -> None:
    assert check_predict_function({"input": "ab"}, lambda inputs: [len(one) for one in inputs], "string") == [2]
    raw = {"input_batch": [b"ab", b"c"]}
    assert check_predict_function(raw, lambda inputs: list(map(len, inputs)), "bytes") == [2, 1]


def test_function_that_cannot_be_pickled_is_told_by_the_originals_text() -> None:
    import threading

    lock = threading.Lock()
    answer = check_predict_function({"input": [1.0]}, lambda inputs: [lock], "doubles")
    assert answer == "Function does not properly serialize and reload"


def test_function_gets_lists_and_its_outputs_become_text_as_in_the_originals_container() -> None:
    seen: list[Any] = []

    def predict(inputs: Any) -> Any:
        seen.append(inputs)
        return np.array([1.5, 2.0])

    assert OriginalFunction(predict, "doubles")(np.ones((2, 3))) == ["1.5", "2.0"]
    assert isinstance(seen[0], list) and seen[0][0].tolist() == [1.0, 1.0, 1.0]
    OriginalFunction(predict, "bytes")([b"\x00\xff"])
    assert seen[1][0].tolist() == [0, -1]
