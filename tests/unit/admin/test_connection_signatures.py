"""Every public method of the original's ClipperConnection is here, with its arguments, in their order, and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from clipper.admin import ClipperConnection, ClipperException, ProcessContainerManager, UnconnectedException
from clipper.admin.deployers import python

CACHE = 33_554_432
# method -> its arguments behind self, as the original declares them; images are told by their names without the tag.
ORIGINAL: dict[str, dict[str, Any]] = {
    "start_clipper": {
        "query_frontend_image": "clipper/query_frontend",
        "mgmt_frontend_image": "clipper/management_frontend",
        "frontend_exporter_image": "clipper/frontend-exporter",
        "cache_size": CACHE,
        "qf_http_thread_pool_size": 1,
        "qf_http_timeout_request": 5,
        "qf_http_timeout_content": 300,
        "num_frontend_replicas": 1,
    },
    "connect": {},
    "register_application": dict.fromkeys(("name", "input_type", "default_output", "slo_micros"), ...),
    "delete_application": {"name": ...},
    "unregister_application": {"name": ...},
    "link_model_to_app": {"app_name": ..., "model_name": ...},
    "unlink_model_from_app": {"app_name": ..., "model_name": ...},
    "build_and_deploy_model": {
        **dict.fromkeys(("name", "version", "input_type", "model_data_path", "base_image"), ...),
        "labels": None,
        "container_registry": None,
        "num_replicas": 1,
        "batch_size": -1,
        "pkgs_to_install": None,
    },
    "build_model": {
        **dict.fromkeys(("name", "version", "model_data_path", "base_image"), ...),
        "container_registry": None,
        "pkgs_to_install": None,
    },
    "deploy_model": {
        **dict.fromkeys(("name", "version", "input_type", "image"), ...),
        "labels": None,
        "num_replicas": 1,
        "batch_size": -1,
    },
    "register_model": {
        **dict.fromkeys(("name", "version", "input_type"), ...),
        "image": None,
        "labels": None,
        "batch_size": -1,
    },
    "get_current_model_version": {"name": ...},
    "get_num_replicas": {"name": ..., "version": None},
    "set_num_replicas": {"name": ..., "num_replicas": ..., "version": None},
    "get_all_apps": {"verbose": False},
    "get_app_info": {"name": ...},
    "get_linked_models": {"app_name": ...},
    "get_all_models": {"verbose": False},
    "get_model_info": {"name": ..., "version": ...},
    "get_all_model_replicas": {"verbose": False},
    "get_model_replica_info": {"name": ..., "version": ..., "replica_id": ...},
    "get_clipper_logs": {"logging_dir": "clipper_logs/"},
    "inspect_instance": {},
    "set_model_version": {"name": ..., "version": ..., "num_replicas": None},
    "get_query_addr": {},
    "get_metric_addr": {},
    "stop_models": {"model_names": ...},
    "stop_versioned_models": {"model_versions_dict": ...},
    "stop_inactive_model_versions": {"model_names": ...},
    "stop_all_model_containers": {},
    "stop_all": {"graceful": True},
    "test_predict_function": {"query": ..., "func": ..., "input_type": ...},
}
# None: all 32 are here, also the two that can only say that images come with Docker.
ABSENT: dict[str, str] = {}
USABLE_UNCONNECTED = {"start_clipper", "connect", "build_model", "stop_all", "test_predict_function"}

DEPLOYER_OPTIONS: dict[str, Any] = {
    "base_image": "default",
    "labels": None,
    "registry": None,
    "num_replicas": 1,
    "batch_size": -1,
    "pkgs_to_install": None,
}
ENDPOINT: dict[str, Any] = {
    **dict.fromkeys(("clipper_conn", "name", "input_type", "func"), ...),
    "default_output": "None",
    "version": 1,
    "slo_micros": 3_000_000,
    "labels": None,
    "registry": None,
    "base_image": "default",
    "num_replicas": 1,
    "batch_size": -1,
    "pkgs_to_install": None,
}
DOCKER_MANAGER: dict[str, Any] = {
    "cluster_name": "default-cluster",
    "docker_ip_address": "localhost",
    "use_centralized_log": False,
    "fluentd_port": 24224,
    "clipper_query_port": 1337,
    "clipper_management_port": 1338,
    "clipper_rpc_port": 7000,
    "redis_ip": None,
    "redis_port": 6379,
    "prometheus_port": 9090,
    "docker_network": "clipper_network",
    "extra_container_kwargs": None,
}


def declared(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the positional arguments of a function, with their defaults; ``...`` where there is none."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name != "self" and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            default = ... if parameter.default is parameter.empty else parameter.default
            found[name] = default.split(":")[0] if isinstance(default, str) else default
    return found


def test_table_holds_the_32_methods_of_the_original() -> None:
    assert len(ORIGINAL) + len(ABSENT) == 32


@pytest.mark.parametrize("name", ORIGINAL)
def test_method_has_the_arguments_of_the_original_in_their_order(name: str) -> None:
    assert list(declared(getattr(ClipperConnection, name)).items()) == list(ORIGINAL[name].items())
    assert getattr(ClipperConnection, name).__doc__


@pytest.mark.parametrize("name", sorted(ORIGINAL.keys() - USABLE_UNCONNECTED))
def test_method_needs_a_connection(name: str) -> None:
    connection = ClipperConnection(ProcessContainerManager("never-started"))
    arguments = [["m"] if argument == "model_names" else "m" for argument, default in ORIGINAL[name].items()
                 if default is ...]  # fmt: skip
    with pytest.raises(UnconnectedException, match="No connection to Clipper cluster") as caught:
        getattr(connection, name)(*arguments)
    assert isinstance(caught.value, ClipperException)
    assert caught.value.msg.startswith("No connection")


def test_container_manager_takes_the_arguments_of_the_dockers() -> None:
    assert list(declared(ProcessContainerManager.__init__).items()) == list(DOCKER_MANAGER.items())


def test_deployers_take_the_arguments_of_the_original() -> None:
    deployed = dict.fromkeys(("clipper_conn", "name", "version", "input_type", "func"), ...)
    assert list(declared(python.deploy_python_closure).items()) == [*deployed.items(), *DEPLOYER_OPTIONS.items()]
    assert list(declared(python.create_endpoint).items()) == list(ENDPOINT.items())
