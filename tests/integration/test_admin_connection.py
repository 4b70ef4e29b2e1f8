"""ClipperConnection on a real cluster: what the original's own tests ask of it, as far as that needs no Docker."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from bench.procfs import processes_of
from clipper import Clipper
from clipper.admin import ClipperConnection, ClipperException, ProcessContainerManager, UnconnectedException
from clipper.admin.deployers import python as python_deployer
from clipper.supervisor.launch import make_run_dir
from tests.support.processes import SUPPORT

pytestmark = pytest.mark.timeout(120)
SLO_MICROS = 5_000_000
CONTAINERS = {"mine": (sys.executable, "-m", "model_containers.sum")}


@pytest.fixture(scope="module")
def state_home() -> Iterator[Path]:
    """Where clusters keep their run directories: short enough for sockets, and nobody else's."""
    directory = make_run_dir()
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_STATE_HOME", str(directory))
    patch.setenv("CLIPPER_LISTEN__QUERY_PORT", "0")
    patch.setenv("CLIPPER_LISTEN__MANAGEMENT_PORT", "0")
    yield directory
    patch.undo()
    assert processes_of(directory) == {}, "processes were left behind"
    assert list((directory / "clipper" / "clusters").iterdir()) == []
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def clipper_conn(state_home: Path) -> Iterator[ClipperConnection]:
    """Connect to a cluster that a script has started, which then ended."""
    script = (
        "from clipper.admin import ClipperConnection, ProcessContainerManager as DockerContainerManager\n"
        f"clipper_conn = ClipperConnection(DockerContainerManager('tested', containers={CONTAINERS}))\n"
        "clipper_conn.start_clipper()\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=SUPPORT.parents[1], check=True, timeout=60)
    connection = ClipperConnection(ProcessContainerManager("tested", containers=CONTAINERS))
    connection.connect()
    try:
        yield connection
    finally:
        connection.cm.disconnect()
        ClipperConnection(ProcessContainerManager("tested")).stop_all()  # which was never connected


def predict(connection: ClipperConnection, app: str, **body: Any) -> Any:
    return httpx.post(f"http://{connection.get_query_addr()}/{app}/predict/", json=body, timeout=30).json()


def test_application_is_registered_described_and_unregistered(clipper_conn: ClipperConnection) -> None:
    clipper_conn.register_application("apps", "double", "DEFAULT", SLO_MICROS)
    assert "apps" in clipper_conn.get_all_apps()
    info = clipper_conn.get_app_info("apps")
    assert info == {
        "name": "apps", "input_type": "doubles", "default_output": "DEFAULT", "latency_slo_micros": SLO_MICROS,
        "linked_models": [],
    }  # fmt: skip
    assert info in clipper_conn.get_all_apps(verbose=True)
    assert clipper_conn.get_app_info("nobody") is None
    answer = predict(clipper_conn, "apps", input=[1.0])
    assert (answer["output"], answer["default"]) == ("DEFAULT", True)
    assert answer["default_explanation"] == "No connected models found for query"
    clipper_conn.unregister_application("apps")
    assert "apps" not in clipper_conn.get_all_apps()
    with pytest.raises(ClipperException, match=r"Received error status code: 400 and message: Application 'apps' does"):
        clipper_conn.delete_application("apps")


def test_errors_are_told_with_status_and_the_originals_text(clipper_conn: ClipperConnection) -> None:
    clipper_conn.register_application("told", "doubles", "0", SLO_MICROS)
    with pytest.raises(ClipperException, match="application 'told' already exists") as caught:
        clipper_conn.register_application("told", "doubles", "0", SLO_MICROS)
    assert caught.value.msg.startswith("Received error status code: 400 and message: ")
    with pytest.raises(ClipperException, match="No model with name 'nobody' exists"):
        clipper_conn.link_model_to_app("told", "nobody")
    with pytest.raises(ClipperException, match="No app with name 'nobody' exists"):
        clipper_conn.link_model_to_app("nobody", "told")
    with pytest.raises(ClipperException, match="No versions of model nobody registered with Clipper"):
        clipper_conn.get_current_model_version("nobody")
    with pytest.raises(ClipperException, match="Cannot add container for non-registered model nobody:1"):
        clipper_conn.set_num_replicas("nobody", 2, 1)
    with pytest.raises(ClipperException, match="Cannot set version for nonexistent model 'nobody'"):
        clipper_conn.set_model_version("nobody", 1)
    assert clipper_conn.get_model_info("nobody", 1) is None
    assert clipper_conn.get_model_replica_info("nobody", 1, 0) is None
    assert clipper_conn.get_linked_models("told") == []


def test_model_is_deployed_linked_scaled_switched_and_stopped(clipper_conn: ClipperConnection) -> None:
    clipper_conn.register_application("life", "doubles", "-1.0", SLO_MICROS)
    clipper_conn.deploy_model("life", 1, "doubles", "clipper/noop-container:develop", labels=["first"])
    clipper_conn.link_model_to_app("life", "life")
    assert clipper_conn.get_linked_models("life") == ["life"]
    clipper_conn.deploy_model("life", "2", "doubles", "mine", num_replicas=2, batch_size=4)
    assert clipper_conn.get_current_model_version("life") == "2"
    assert predict(clipper_conn, "life", input=[1.5, 2.5])["output"] == 4.0
    assert predict(clipper_conn, "life", input=[1.5, 2.5], version="1")["output"] == 1.5
    info = clipper_conn.get_model_info("life", 1)
    assert info is not None
    assert (info["labels"], info["is_current_version"], info["container_name"]) == (["first"], False, "noop")
    assert {"life:1", "life:2"} <= set(clipper_conn.get_all_models())
    assert (clipper_conn.get_num_replicas("life"), clipper_conn.get_num_replicas("life", 1)) == (2, 1)
    assert "life:2:1" in clipper_conn.get_all_model_replicas()
    replica = clipper_conn.get_model_replica_info("life", 2, 1)
    assert replica is not None and replica["model_replica_id"] == 1
    clipper_conn.set_num_replicas("life", 1)
    clipper_conn.set_model_version("life", 1, num_replicas=2)
    assert clipper_conn.get_num_replicas("life") == 2
    clipper_conn.stop_inactive_model_versions(["life"])
    assert [one for one in clipper_conn.get_all_models() if one.startswith("life:")] == ["life:1"]
    clipper_conn.stop_models(["life"])
    assert not any(one.startswith("life:") for one in clipper_conn.get_all_model_replicas())
    stopped = predict(clipper_conn, "life", input=[9.0])
    assert (stopped["output"], stopped["default_explanation"]) == (-1.0, "No connected models found for query")
    assert clipper_conn.get_linked_models("life") == ["life"]
    clipper_conn.deploy_model("life", 3, "doubles", "mine")
    assert predict(clipper_conn, "life", input=[9.0])["output"] == 9.0
    clipper_conn.unlink_model_from_app("life", "life")
    clipper_conn.stop_versioned_models({"life": [3]})
    with pytest.raises(ClipperException, match="expected a list of names"):
        clipper_conn.stop_models("life")


def test_version_exists_once(clipper_conn: ClipperConnection) -> None:
    clipper_conn.deploy_model("once", 1, "doubles", "noop")
    with pytest.raises(ClipperException, match=r"Received error status code: 400 and message: .*once.*already"):
        clipper_conn.deploy_model("once", 1, "doubles", "noop")


def test_model_for_containers_started_by_hand_has_none_of_ours(clipper_conn: ClipperConnection) -> None:
    clipper_conn.register_model("by-hand", 1, "integers", labels=["a"])
    info = clipper_conn.get_model_info("by-hand", 1)
    assert info is not None and info["container_name"] == "NO_CONTAINER"
    assert clipper_conn.get_num_replicas("by-hand") == 0
    with pytest.raises(ClipperException, match="containerless model by-hand:1"):
        clipper_conn.set_num_replicas("by-hand", 2)


def test_closure_is_deployed_with_an_endpoint_and_answers_as_it_did(clipper_conn: ClipperConnection) -> None:
    offset = 10

    def totals(xs: Any) -> list[Any]:
        assert isinstance(xs, list)
        return [float(np.sum(x)) + offset for x in xs]

    python_deployer.create_endpoint(clipper_conn, "closure", "doubles", totals, num_replicas=2)
    info = clipper_conn.get_app_info("closure")
    assert info is not None and info["linked_models"] == ["closure"] and info["default_output"] == "None"
    assert predict(clipper_conn, "closure", input=[1.0, 2.0])["output"] == 13.0
    batch = predict(clipper_conn, "closure", input_batch=[[1.0], [2.0]])
    assert [one["output"] for one in batch["batch_predictions"]] == [11.0, 12.0]
    local = clipper_conn.test_predict_function({"input_batch": [[1.0], [2.0]]}, totals, "doubles")
    assert local == [11.0, 12.0]


def test_closure_whose_import_is_missing_is_an_error_with_its_log(clipper_conn: ClipperConnection) -> None:
    def predict_with_package(xs: Any) -> Any:
        return xs

    with pytest.raises(ClipperException, match="not installed here"):
        python_deployer.deploy_python_closure(
            clipper_conn, "lacks", 1, "doubles", predict_with_package, pkgs_to_install=["no-such-thing"]
        )
    assert clipper_conn.get_model_info("lacks", 1) is None


def test_metrics_and_logs_are_there(clipper_conn: ClipperConnection, tmp_path: Path) -> None:
    python_deployer.create_endpoint(clipper_conn, "seen", "strings", lambda xs: [x.upper() for x in xs])
    assert predict(clipper_conn, "seen", input="abc")["output"] == "ABC"
    metrics = clipper_conn.inspect_instance()
    assert {"app:seen:num_predictions": {"count": "1"}} in metrics["counters"]
    assert any("app:seen:prediction_latency" in entry for entry in metrics["histograms"])
    assert json.loads(json.dumps(metrics)) == metrics
    prometheus = httpx.get(f"http://{clipper_conn.get_metric_addr()}/metrics").text
    assert "clipper_queries_total" in prometheus
    written = clipper_conn.get_clipper_logs(str(tmp_path / "logs"))
    assert {"management.log", "frontend-0.log", "seen_1_0.log"} <= {Path(path).name for path in written}
    assert all(Path(path).is_file() for path in written)


def test_cluster_that_outlived_its_script_is_found_by_its_name_and_exists_once(
    clipper_conn: ClipperConnection,
) -> None:
    second = ClipperConnection(ProcessContainerManager("tested"))
    with pytest.raises(ClipperException, match=r"Cluster tested cannot be started because it already exists"):
        second.start_clipper()
    with pytest.raises(UnconnectedException):
        second.get_all_apps()
    second.connect()
    assert second.get_query_addr() == clipper_conn.get_query_addr()
    url = clipper_conn.cm.clipper.management_url
    third = ClipperConnection(ProcessContainerManager(management_url=url))
    third.connect()
    assert third.get_all_apps() == second.get_all_apps()
    with pytest.raises(ClipperException, match="cannot be stopped from here"):
        third.stop_all()
    assert isinstance(second.cm.clipper, Clipper)
    second.cm.disconnect()
    third.cm.disconnect()
    assert clipper_conn.get_all_apps() is not None


def test_two_clusters_know_nothing_of_each_other_and_share_no_port(
    clipper_conn: ClipperConnection, state_home: Path
) -> None:
    taken = int(clipper_conn.get_query_addr().rsplit(":", 1)[1])
    other = ClipperConnection(ProcessContainerManager("other", clipper_query_port=taken))
    other.start_clipper(cache_size=1 << 20, qf_http_timeout_request=7)
    try:
        assert other.get_query_addr() != clipper_conn.get_query_addr()
        config = json.loads((state_home / "clipper" / "clusters" / "other" / "config.json").read_text())
        assert (config["core"]["cache_bytes"], config["http"]["request_timeout_us"]) == (1 << 20, 7_000_000)
        other.deploy_model("alone", 1, "doubles", "noop")
        assert other.get_all_models() == ["alone:1"]
        assert "alone:1" not in clipper_conn.get_all_models()
        other.stop_all_model_containers()
        assert other.get_all_models() == []
    finally:
        other.stop_all(graceful=False)
    assert not (state_home / "clipper" / "clusters" / "other").exists()
    with pytest.raises(UnconnectedException):
        other.get_all_models()
