"""``clipper start``: run Clipper in the foreground until Ctrl-C, or leave it running."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clipper.cli.options import JsonOption, RunDirOption
from clipper.cli.output import count, print_json, say, warn
from clipper.cli.progress import Show, progress
from clipper.cli.server import Server
from clipper.client.tokens import find_token
from clipper.errors import ClipperError, ConflictError, InvalidArgumentError, StartError

if TYPE_CHECKING:
    from clipper.config import ClipperConfig
    from clipper.supervisor.launch import RunningSupervisor

_START_LIMIT_US: Final = 30_000_000
_POLL_INTERVAL_S: Final = 0.1
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(
    run_dir: RunDirOption = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="TOML file of the configuration. Default: ./clipper.toml, then clipper/clipper.toml in "
            "$XDG_CONFIG_HOME.",
            metavar="FILE",
            envvar="CLIPPER_CONFIG",
            show_default=False,
        ),
    ] = None,
    query_port: Annotated[
        str | None,
        typer.Option("--query-port", help="Port for queries; 0 = any free one. Default: 1337.", metavar="PORT"),
    ] = None,
    management_port: Annotated[
        str | None,
        typer.Option("--management-port", help="Port for management, likewise. Default: 1338.", metavar="PORT"),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", help="Where state lies: sqlite:PATH, redis://HOST or memory:.", metavar="URL"),
    ] = None,
    container_manager: Annotated[
        str | None,
        typer.Option(
            "--container-manager",
            help="What replicas run as: process or docker. Default: process.",
            metavar="NAME",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Any option of `clipper config`: logs.keep_count=5; may be repeated.", metavar="KEY=VALUE"
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Leave it running in the background.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start Clipper on this machine.

    What was registered in the same directory before is served again. It runs in the foreground until Ctrl-C,
    which answers the queries in flight first; a second Ctrl-C does not wait.
    """
    from clipper.cli.instance import management_url_of, query_url_of
    from clipper.config import load_config
    from clipper.supervisor.launch import launch
    from clipper.supervisor.running import find_running

    named = {
        "listen.query_port": query_port,
        "listen.management_port": management_port,
        "state.url": state,
        "management.container_manager": container_manager,
    }
    overrides = overrides_of(settings or []) | {key: value for key, value in named.items() if value is not None}
    config = load_config(file=config_file, environment=os.environ, overrides=overrides, run_dir=run_dir).config
    running = find_running(config.run_dir)
    if running is not None:
        running.close()
        raise ConflictError(
            f"Clipper is running in {str(config.run_dir)!r} already (pid {running.pid})",
            hint=f"`clipper{_run_dir_option(config.run_dir)} status` shows it; --run-dir DIR starts another one",
        )
    with progress("starting Clipper") as show:
        show("waiting for its processes")
        with _explained(config):
            supervisor = launch(config, _START_LIMIT_US, outlives_caller=detach)
        with _stopped_on_failure(supervisor):
            status = _wait_restored(supervisor, show)
    config = supervisor.config
    told = {
        "pid": supervisor.process.pid,
        "run_dir": str(config.run_dir),
        "query_url": query_url_of(config),
        "management_url": management_url_of(config),
        "applications": len(status["applications"]),
        "model_versions": sum(len(model["versions"]) for model in status["models"]),
        "replicas": _desired(status),
        "ready_replicas": _ready(status),
        "detached": detach,
    }
    _tell(told, as_json, detach)
    if not detach:
        _serve(supervisor)


def overrides_of(settings: list[str]) -> dict[str, str]:
    """Return the options of ``--set``, by key.

    Raises
    ------
    InvalidArgumentError
        One has no value.
    """
    overrides: dict[str, str] = {}
    for setting in settings:
        key, is_set, value = setting.partition("=")
        if not is_set:
            raise InvalidArgumentError(
                f"--set={setting!r} is not valid: expected KEY=VALUE", hint="for example --set logs.keep_count=5"
            )
        overrides[key.strip()] = value
    return overrides


@contextlib.contextmanager
def _explained(config: ClipperConfig) -> Iterator[None]:
    """Say who holds a port that is taken, as far as that can be told."""
    from clipper.cli.port_holder import describe_holder

    try:
        yield
    except StartError as error:
        for option in ("query_port", "management_port"):
            port = getattr(config.listen, option)
            if f"port {port} on" in error.message and "taken" in error.message:
                holder = describe_holder(port)
                hint = f"choose another port: --{option.replace('_', '-')} 0 takes a free one"
                raise ConflictError(error.message, hint=f"{holder}; or {hint}" if holder else hint) from error
        raise


@contextlib.contextmanager
def _stopped_on_failure(supervisor: RunningSupervisor) -> Iterator[None]:
    try:
        yield
    except BaseException:
        supervisor.stop()
        raise


def _wait_restored(supervisor: RunningSupervisor, show: Show) -> dict[str, Any]:
    """Wait until what the directory holds is served again, and return the status.

    Replicas that do not come up are management's to replace: they do not fail the start.
    """
    from clipper.cli.instance import management_url_of
    from clipper.client.startup import wait_for_snapshot

    config = supervisor.config
    token_file = config.security.management_token_file
    certificate = config.security.tls_certificate_file
    token = "" if token_file is None else find_token(None, token_file)
    with Server(management_url_of(config), token=token, own_certificate=certificate, run_dir=config.run_dir) as server:
        show("restoring applications")
        wait_for_snapshot(server.status, config.frontend.workers, _START_LIMIT_US)
        deadline_s = time.monotonic() + config.management.ready_limit_us / 1e6
        while True:
            status = server.status()
            desired, ready = _desired(status), _ready(status)
            if ready >= desired or time.monotonic() > deadline_s or _failing(status):
                return status
            show("restoring replicas", ready, desired)
            time.sleep(_POLL_INTERVAL_S)


def _desired(status: Mapping[str, Any]) -> int:
    return sum(version["replicas"] for model in status["models"] for version in model["versions"])


def _ready(status: Mapping[str, Any]) -> int:
    return sum(version["ready_replicas"] for model in status["models"] for version in model["versions"])


def _failing(status: Mapping[str, Any]) -> bool:
    versions = [version for model in status["models"] for version in model["versions"]]
    waiting = [version for version in versions if version["ready_replicas"] < version["replicas"]]
    return bool(waiting) and all(version["is_quarantined"] for version in waiting)


def _tell(told: Mapping[str, Any], as_json: bool, detach: bool) -> None:
    if as_json:
        print_json(told)
    else:
        print(f"Clipper is running (pid {told['pid']})")
        print(f"  queries     {told['query_url']}")
        print(f"  management  {told['management_url']}  (its API is told at /docs)")
        print(f"  directory   {told['run_dir']}")
        if told["applications"] or told["model_versions"]:
            print(
                f"  restored    {count(told['applications'], 'application')}, "
                f"{count(told['model_versions'], 'model version')}, "
                f"{told['ready_replicas']} of {count(told['replicas'], 'replica')} ready"
            )
        option = _run_dir_option(Path(told["run_dir"]))
        print(f"Stop it with: clipper stop{option}" if detach else "Press Ctrl-C to stop.", flush=True)
    if told["ready_replicas"] < told["replicas"]:
        warn("not every replica is ready: `clipper status` says why")


def _run_dir_option(run_dir: Path) -> str:
    from clipper.cli.instance import resolve_run_dir

    try:
        is_default = resolve_run_dir(None) == run_dir
    except ClipperError:
        is_default = False
    return "" if is_default else f" --run-dir {run_dir}"


def _serve(supervisor: RunningSupervisor) -> None:
    """Wait until Clipper ends: by Ctrl-C here, by `clipper stop` elsewhere, or because it failed.

    Raises
    ------
    StartError
        It did not end in order.
    """
    from clipper.log_file import read_tail

    asked: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        asked.append(number)
        if len(asked) == 1:
            say("\nstopping: queries in flight are answered first (Ctrl-C again does not wait)")
        # The supervisor drains at the first, and kills what is left at the second, whichever they are.
        supervisor.process.send_signal((signal.SIGTERM, signal.SIGINT, signal.SIGKILL)[min(len(asked), 3) - 1])

    for number in _STOP_SIGNALS:
        # Under nohup the end of the terminal is ignored. An ignored SIGINT only says that a shell without job control
        # started us in the background; who sends one all the same means us.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)
    code = supervisor.process.wait()
    if code != 0:
        tail = read_tail(supervisor.config.log_dir / "supervisor.log", 10)
        raise StartError(f"Clipper ended with code {code}; its log ends with:\n{tail}")
    say("stopped" if asked else "Clipper was stopped")
