"""`Clipper`: start or connect to an instance, register, deploy, link, scale, predict and learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from clipper.client.api_paths import API, CHANGE_LIMIT_US, DEPLOY_LIMIT_US
from clipper.client.applications import ApplicationCalls
from clipper.client.deployments import DeploymentCalls
from clipper.client.feedback import FeedbackCalls
from clipper.client.http_client import HttpClient
from clipper.client.models import ModelCalls
from clipper.client.monitoring import MonitoringCalls
from clipper.client.own_instance import own_clients
from clipper.client.policies import PolicyCalls
from clipper.client.queries import QueryCalls
from clipper.client.startup import wait_for_snapshot
from clipper.client.tokens import find_token
from clipper.client.urls import check_url, reachable_query_url
from clipper.config import ClipperConfig, ListenConfig, ManagementConfig
from clipper.deploy.containers import to_programs
from clipper.errors import NotFoundError, ServerError, StartError, UnavailableError
from clipper.supervisor.launch import RunningSupervisor, launch, make_run_dir

_START_LIMIT_US: Final = 30_000_000


class Clipper(ApplicationCalls, DeploymentCalls, FeedbackCalls, ModelCalls, MonitoringCalls, PolicyCalls, QueryCalls):
    """A running Clipper, started by this process (`start`) or by another one (`connect`).

    Usable as a context manager and from several threads; it needs no event loop, and does not mind one.

    Parameters
    ----------
    management, query : HttpClient
        Its two ports.
    supervisor : RunningSupervisor, optional
        The instance, if this process has started it; `stop` then ends it.
    """

    def __init__(self, management: HttpClient, query: HttpClient, supervisor: RunningSupervisor | None = None) -> None:
        self.query_url = query.base_url
        self.management_url = management.base_url
        self._supervisor = supervisor
        self._query = query
        self._management = management

    @classmethod
    def start(
        cls,
        query_port: int = 1337,
        management_port: int = 1338,
        *,
        run_dir: str | Path | None = None,
        containers: Mapping[str, Sequence[str]] | None = None,
        config: ClipperConfig | None = None,
        start_limit_us: int = _START_LIMIT_US,
    ) -> Self:
        """Start Clipper on this machine and return when it answers.

        It ends with `stop`, with the ``with`` block, or with this process, however that ends.

        Parameters
        ----------
        query_port, management_port : int
            Where it listens on 127.0.0.1; 0 = any free port, see ``query_url`` and ``management_url``.
        run_dir : path, optional
            Where sockets, logs and models lie; it stays. Default: a fresh private directory, removed by `stop`.
        containers : mapping of str to sequence of str, optional
            Containers of your own, by the name that `deploy_model` is given: a program and its arguments.
        config : ClipperConfig, optional
            Everything in detail, instead of the four above.

        Raises
        ------
        StartError
            A port is taken, or a process did not come up; nothing is left running.
        """
        if config is None:
            listen = ListenConfig(query_port=query_port, management_port=management_port)
            management = ManagementConfig(containers=to_programs(containers or {}))
            directory = make_run_dir() if run_dir is None else Path(run_dir).absolute()
            config = ClipperConfig(directory, remove_run_dir=run_dir is None, listen=listen, management=management)
        supervisor = launch(config, start_limit_us)
        try:
            clipper = cls(*own_clients(supervisor.config), supervisor)
        except BaseException:
            supervisor.stop()
            raise
        if not config.remove_run_dir:  # applications of an earlier life may be there
            try:
                wait_for_snapshot(clipper.status, config.frontend.workers, start_limit_us)
            except BaseException:
                clipper.stop()
                raise
        return clipper

    @classmethod
    def connect(
        cls,
        management_url: str = "http://127.0.0.1:1338",
        *,
        token: str | None = None,
        token_file: str | Path | None = None,
        query_url: str | None = None,
        ca_file: str | Path | None = None,
    ) -> Self:
        """Connect to a running Clipper, here or on another machine; `stop` then only closes the connections.

        Parameters
        ----------
        management_url : str
            Where its management listens.
        token, token_file : str, optional
            Its management token, or a file that holds it; default: what the environment variables ``CLIPPER_TOKEN``
            and ``CLIPPER_TOKEN_FILE`` say. It goes to the management port alone.
        query_url : str, optional
            Where its query port is reached; default: what the server says, on the host of ``management_url``.
        ca_file : path, optional
            The authority that has signed its certificate, with https; default: those that the system trusts.

        Raises
        ------
        UnavailableError
            Nothing answers there.
        CallerError
            It wants a token, or another one.
        """
        url = check_url("management_url", management_url)
        management = HttpClient(url, token=find_token(token, token_file), ca_file=ca_file)
        try:
            if query_url is None:
                query_url = reachable_query_url(_ask_query_url(management), url)
            return cls(management, HttpClient(check_url("query_url", query_url), ca_file=ca_file))
        except BaseException:
            management.close()
            raise

    def stop(self) -> None:
        """Drain and end the Clipper that this object has started: queries in flight are answered first.

        Calling it again does nothing.

        Raises
        ------
        StartError
            It did not end in order, and was killed.
        """
        self._query.close()
        self._management.close()
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            code = supervisor.stop()
            if code != 0:
                raise StartError(
                    f"Clipper ended with code {code} when it was stopped", hint=f"see {supervisor.config.log_dir}"
                )

    def status(self) -> dict[str, Any]:
        """Return everything as management sees it, in the form of the JSON API. See ``get_models`` and its kin, too."""
        return _to_status(self._manage("GET", "/status"), self.management_url)

    def metrics(self) -> str:
        """Return the metrics of the query port, in Prometheus's text format."""
        status, text = self._query.exchange("GET", "/metrics", limit_us=CHANGE_LIMIT_US)
        if status != 200:
            raise ServerError(f"{self.query_url}/metrics answers {status}: {text[:500]}")
        return text

    def exchange(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Return status and text of any call of the management API, such as the original's ``POST /admin/<call>``."""
        return self._management.exchange(method, path, body, limit_us=DEPLOY_LIMIT_US)

    @property
    def _is_own(self) -> bool:
        return self._supervisor is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        how = "started here" if self._is_own else "connected"
        return f"<Clipper {how}: queries {self.query_url}, management {self.management_url}>"


def _ask_query_url(management: HttpClient) -> str:
    try:
        status = management.call("GET", f"{API}/status", limit_us=CHANGE_LIMIT_US)
    except NotFoundError:  # of another program, or of our own query port
        status = None
    return str(_to_status(status, management.base_url)["query_url"])


def _to_status(status: Any, url: str) -> dict[str, Any]:
    if not isinstance(status, dict) or "query_url" not in status:
        raise UnavailableError(
            f"{url} does not answer as Clipper's management does", hint="is that the management port?"
        )
    return status
