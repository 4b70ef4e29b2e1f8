"""A whole instance with token, TLS and RPC over TCP: who gets in, who does not, and what can be read of its secrets."""

from __future__ import annotations

import re
import shutil
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from bench.procfs import processes_of
from clipper import Clipper, UnauthorizedError, UnavailableError
from clipper.cli.quick_get import quick_get
from clipper.cli.server import connect
from clipper.config import ClipperConfig, ListenConfig, ManagementConfig, RpcConfig, SecurityConfig
from clipper.security.certificates import trusting
from clipper.security.rpc_keys import make_rpc_keys
from clipper.security.tokens import make_token_file, read_tokens
from clipper.supervisor.launch import make_run_dir
from model_containers import codec
from tests.support.certificates import CertificateFiles, write_certificate
from tests.support.container_process import ContainerProcess
from tests.support.processes import wait_until

pytestmark = pytest.mark.timeout(120)
MARK = 1000.0
WRONG_TOKEN = "wrong-token-" + "w" * 40
STATE_PASSWORD = "state-password-" + "p" * 20
SCRIPT = """
import os, pathlib, sys, time
from model_containers import ModelContainer, serve
class Held(ModelContainer):
    def predict_batch(self, inputs):
        while "{hold}" and pathlib.Path("{hold}").exists():
            time.sleep(0.005)
        return inputs.sum(axis=1) + float(os.environ.get("CLIPPER_MARK", "0"))
serve(Held())
"""


@dataclass
class Secured:
    """The instance, and where its secrets lie."""

    clipper: Clipper
    config: ClipperConfig
    token: str
    files: CertificateFiles
    keys_dir: Path
    script: Path
    hold: Path
    containers: list[ContainerProcess] = field(default_factory=list)
    error_texts: list[str] = field(default_factory=list)

    def log(self, name: str = "frontend-0") -> str:
        return (self.config.log_dir / f"{name}.log").read_text()

    @property
    def rpc_address(self) -> str:
        (address,) = re.findall(r"tcp://[\d.:]+$", self.log(), re.MULTILINE)
        return str(address)

    def join(self, replica_id: str, keys: Path | None, script: Path) -> ContainerProcess:
        """Start a container as another machine would."""
        environment = {"CLIPPER_REPLICA_ID": replica_id, "CLIPPER_MARK": str(MARK)}
        if keys is not None:
            environment["CLIPPER_RPC_KEYS"] = str(keys)
        log = self.keys_dir.parent / f"{replica_id.replace(':', '_')}.log"
        self.containers.append(ContainerProcess(str(script), self.rpc_address, log, environment))
        return self.containers[-1]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    home = tmp_path_factory.mktemp("secured")
    files = write_certificate(home)
    make_token_file(home / "token")
    make_rpc_keys(home / "keys")
    hold, script = home / "hold", home / "held.py"
    script.write_text(SCRIPT.format(hold=hold))
    config = ClipperConfig(
        make_run_dir(),
        listen=ListenConfig(query_host="0.0.0.0", query_port=0, management_host="0.0.0.0", management_port=0),
        management=ManagementConfig(containers={"held": (sys.executable, str(script))}),
        rpc=RpcConfig(tcp_host="127.0.0.1"),
        security=SecurityConfig(
            management_token_file=home / "token",
            tls_certificate_file=files.certificate,
            tls_key_file=files.key,
            rpc_keys_dir=home / "keys",
        ),
    )
    (token,) = read_tokens(home / "token")
    # As if this process had been told its options and its token by the environment.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIPPER_STATE__URL", f"redis://:{STATE_PASSWORD}@127.0.0.1:1/0")
        patch.setenv("CLIPPER_TOKEN", token)
        clipper = Clipper.start(config=config)
    secured = Secured(clipper, config, token, files, home / "keys", script, hold)
    try:
        with clipper:
            clipper.register_application("app", "doubles", -1.0, 20_000_000, cache=False)
            clipper.deploy_model("m", 1, container="held")
            clipper.link_model_to_app("app", "m")
            yield secured
        assert processes_of(config.run_dir) == {}, "processes were left behind"
    finally:
        for container in secured.containers:
            container.kill()
        shutil.rmtree(config.run_dir, ignore_errors=True)


def by_name(url: str) -> str:
    """Return a URL by the one name that the certificate holds."""
    return url.replace("127.0.0.1", "localhost")


# -- the two HTTP ports ----------------------------------------------------------------------------------------------


def test_embedded_client_uses_the_instance_without_being_told_its_secrets(secured: Secured) -> None:
    assert secured.clipper.management_url.startswith("https://")
    assert secured.clipper.predict("app", [1.0, 2.0]).output == 3.0


def test_command_line_finds_token_and_certificate_through_the_run_directory(secured: Secured) -> None:
    with connect(None, secured.config.run_dir, None, None) as server:
        assert server.management_url == secured.clipper.management_url
        assert [application["name"] for application in server.status()["applications"]] == ["app"]
    assert quick_get(None, str(secured.config.run_dir), "/status") is not None


def test_client_elsewhere_connects_with_token_and_authority(secured: Secured) -> None:
    url, query_url = (by_name(url) for url in (secured.clipper.management_url, secured.clipper.query_url))
    ca_file = secured.files.certificate
    with Clipper.connect(url, token=secured.token, ca_file=ca_file, query_url=query_url) as connected:
        assert connected.status()["query_url"] == secured.clipper.query_url
        assert connected.predict("app", [2.0, 2.0]).output == 4.0
    with pytest.raises(UnauthorizedError) as caught:
        Clipper.connect(url, token=WRONG_TOKEN, ca_file=ca_file)
    secured.error_texts.append(str(caught.value))
    with pytest.raises(UnavailableError, match="ca_file") as untrusted:
        Clipper.connect(url, token=secured.token)
    secured.error_texts.append(str(untrusted.value))
    with pytest.raises(UnavailableError, match="other names") as misnamed:
        Clipper.connect(secured.clipper.management_url, token=secured.token, ca_file=ca_file)
    secured.error_texts.append(str(misnamed.value))
    with pytest.raises(UnavailableError, match="does it speak https") as plain:
        Clipper.connect(url.replace("https:", "http:"), token=secured.token)
    secured.error_texts.append(str(plain.value))


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": f"Bearer {WRONG_TOKEN}"}, {"Authorization": f"Basic {WRONG_TOKEN}"}],
    ids=["no token", "wrong token", "other scheme"],
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/status", b""),
        ("GET", "/openapi.json", b""),
        ("POST", "/api/v1/applications", b'{"name": "intruder"}'),
        ("DELETE", "/api/v1/applications/app", b""),
        ("POST", "/admin/add_app", b"x" * 1_000_000),
    ],
)
def test_management_answers_strangers_with_401_only(
    secured: Secured, headers: Mapping[str, str], method: str, path: str, body: bytes
) -> None:
    with httpx.Client(verify=trusting(secured.files.certificate)) as client:
        url = by_name(secured.clipper.management_url)
        answer = client.request(method, url + path, headers=headers, content=body)
        assert client.get(url + "/healthz").status_code == 200
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    secured.error_texts.append(answer.text)


def test_query_port_asks_for_no_token(secured: Secured) -> None:
    with httpx.Client(verify=trusting(secured.files.certificate)) as client:
        answer = client.post(by_name(secured.clipper.query_url) + "/app/predict", json={"input": [1.0]})
    assert (answer.status_code, answer.json()["output"], answer.http_version) == (200, 1.0, "HTTP/1.1")


# -- containers over TCP ---------------------------------------------------------------------------------------------


def test_container_with_an_authorized_key_joins_over_tcp_and_serves(secured: Secured, tmp_path: Path) -> None:
    script = tmp_path / "remote.py"
    script.write_text(SCRIPT.format(hold=""))
    secured.join("m:1:remote", secured.keys_dir / "container.keys", script)
    wait_until(lambda: "replica m:1:remote is ready" in secured.log())
    # The local replica keeps its one batch in hand: of two queries at a time, the remote one answers at least one.
    outputs: list[float] = []
    secured.hold.touch()
    try:
        threads = [
            threading.Thread(target=lambda: outputs.append(secured.clipper.predict("app", [5.0]).output)) for _ in "ab"
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: MARK + 5 in outputs)
    finally:
        secured.hold.unlink()
    for thread in threads:
        thread.join()
    secured.containers[-1].terminate()
    assert secured.containers[-1].wait() == 0


def wrong_keys(secured: Secured, directory: Path) -> dict[str, Path]:
    """Return keys of another frontend, and a key that this one has not authorized."""
    other = make_rpc_keys(directory / "other")
    own_lines = (secured.keys_dir / "container.keys").read_text().splitlines()
    other_lines = other.read_text().splitlines()
    stranger = directory / "stranger.keys"
    stranger.touch(0o600)
    stranger.write_text("\n".join([own_lines[1], *other_lines[2:]]))
    return {"other": other, "stranger": stranger}


@pytest.mark.parametrize(
    ("kind", "told_there", "told_here"),
    [
        ("stranger", "the frontend does not know this container's key", "its key is not among the authorized"),
        ("other", "for another frontend", "it has no keys, or keys for another frontend"),
    ],
)
def test_container_with_a_wrong_key_never_joins_and_both_sides_say_why(
    secured: Secured, tmp_path: Path, kind: str, told_there: str, told_here: str
) -> None:
    replica_id = f"m:1:{kind}"
    container = secured.join(replica_id, wrong_keys(secured, tmp_path)[kind], secured.script)
    wait_until(lambda: told_there in container.log_text())
    wait_until(lambda: told_here in secured.log())
    container.kill()
    assert replica_id not in secured.log()
    assert secured.clipper.predict("app", [3.0]).output == 3.0


def test_container_without_keys_does_not_even_try(secured: Secured) -> None:
    container = secured.join("m:1:keyless", None, secured.script)
    assert container.wait() == 2
    assert "CLIPPER_RPC_KEYS is not set" in container.log_text()


def test_peer_without_encryption_never_joins(secured: Secured) -> None:
    registration: dict[str, str | int] = {
        "model": "m", "version": "1", "replica_id": "m:1:plain", "nonce": "0", "input_type": "doubles", "sdk": "x",
        "pid": 1,
    }  # fmt: skip
    failures = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer, dealer.get_monitor_socket(failures) as monitor:
        dealer.set(zmq.LINGER, 0)
        dealer.connect(secured.rpc_address)
        dealer.send_multipart(codec.encode_register(registration))
        assert monitor.poll(10_000)
        assert recv_monitor_message(monitor)["event"] & failures
        assert not dealer.poll(0)
        dealer.disable_monitor()
    assert "m:1:plain" not in secured.log()
    assert secured.clipper.predict("app", [4.0]).output == 4.0


def test_key_that_is_no_longer_authorized_does_not_join_again(secured: Secured, tmp_path: Path) -> None:
    keys = make_rpc_keys(secured.keys_dir, "short-lived")  # authorized without a restart
    container = secured.join("m:1:short", keys, secured.script)
    wait_until(lambda: "replica m:1:short is ready" in secured.log())
    container.terminate()
    container.wait()
    authorized = secured.keys_dir / "authorized_containers"
    lines = authorized.read_text().splitlines(keepends=True)
    authorized.write_text("".join(line for line in lines if not line.startswith("short-lived")))
    container = secured.join("m:1:again", keys, secured.script)
    wait_until(lambda: "does not know this container's key" in container.log_text())
    container.kill()
    assert "m:1:again" not in secured.log()


def test_renewed_certificate_is_served_by_both_ports_without_a_restart(secured: Secured) -> None:
    renewed = write_certificate(secured.files.key.parent, valid_days=(-1, 7))

    def is_served() -> bool:
        with httpx.Client(verify=trusting(renewed.certificate)) as client:
            try:
                ports = [secured.clipper.query_url, secured.clipper.management_url]
                return [client.get(by_name(url) + "/healthz").status_code for url in ports] == [200, 200]
            except httpx.ConnectError:  # still the old one
                return False

    wait_until(is_served)


# -- what can be read ------------------------------------------------------------------------------------------------


def test_run_directory_is_for_its_user_alone(secured: Secured) -> None:
    run_dir = secured.config.run_dir
    modes = {path: path.lstat().st_mode for path in (run_dir, *run_dir.rglob("*"))}
    assert {"config.json", "control.sock", "rpc-0.sock", "logs", "models"} <= {path.name for path in modes}
    assert {path: oct(mode) for path, mode in modes.items() if stat.S_IMODE(mode) & 0o077} == {}
    assert {stat.S_IMODE(mode) for mode in modes.values() if stat.S_ISDIR(mode)} == {0o700}
    assert {stat.S_IMODE(mode) for mode in modes.values() if stat.S_ISREG(mode)} == {0o600}


def test_no_secret_is_in_logs_processes_or_errors(secured: Secured) -> None:
    # The last test of this module: the ones above have made the errors whose traces are looked for.
    secrets = {
        "token": secured.token,
        "token of a stranger": WRONG_TOKEN,
        "password": STATE_PASSWORD,
        "TLS key": secured.files.key.read_text().splitlines()[1],
    }
    for path in secured.keys_dir.glob("*.keys"):
        secrets[path.name] = path.read_text().split("secret_key ")[1].split()[0]
    shown = {f"error {number}": text for number, text in enumerate(secured.error_texts)}
    for path in (*secured.config.log_dir.iterdir(), *(container.log for container in secured.containers)):
        shown[str(path)] = path.read_text(errors="replace")
    pids = processes_of(secured.config.run_dir)
    assert len(pids) >= 4  # supervisor, management, worker, container
    for pid in pids:
        for name in ("cmdline", "environ"):
            shown[f"{name} of {pids[pid]}"] = Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    told = [
        f"{name} is in {place}" for place, text in shown.items() for name, secret in secrets.items() if secret in text
    ]
    assert told == []
    assert [place for place, text in shown.items() if "Traceback" in text] == []
    assert len(secured.error_texts) > 10 and any("frontend-0.log" in place for place in shown)
