"""The running Clipper that a command speaks to, over its two HTTP APIs."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from clipper.client.api_paths import API, CHANGE_LIMIT_US, DEPLOY_LIMIT_US
from clipper.client.tokens import TOKEN_VARIABLE, find_token
from clipper.errors import ClipperError, NotFoundError, UnauthorizedError, UnavailableError

if TYPE_CHECKING:
    from clipper.client.http_client import HttpClient

DEFAULT_URL: Final = "http://127.0.0.1:1338"
_METRICS_LIMIT_US: Final = 10_000_000


class Server:
    """A running Clipper.

    Parameters
    ----------
    management_url : str
        Where its management listens.
    run_dir : Path, optional
        Its run directory, where that is on this machine.
    own_certificate : Path, optional
        The certificate that it serves with, where that is known: it is then trusted at any of this machine's addresses.
    """

    def __init__(
        self,
        management_url: str,
        *,
        token: str = "",
        ca_file: Path | None = None,
        run_dir: Path | None = None,
        own_certificate: Path | None = None,
    ) -> None:
        from clipper.client.http_client import HttpClient

        self.management_url = management_url.rstrip("/")
        self.run_dir = run_dir
        self._token = token
        self._trust: dict[str, Any] = {"ca_file": ca_file, "own_certificate": own_certificate}
        self._management = HttpClient(self.management_url, token=token, **self._trust)
        self._query: HttpClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._management.close()
        if self._query is not None:
            self._query.close()

    # -- management --------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """Ask management."""
        return self._call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """Add something, or do something."""
        return self._call("POST", path, body)

    def put(self, path: str, body: Any = None) -> Any:
        """Set something."""
        return self._call("PUT", path, body)

    def delete(self, path: str) -> None:
        """Remove something."""
        self._call("DELETE", path)

    def events(self, method: str, path: str, body: Any = None) -> Iterator[dict[str, Any]]:
        """Make a call that may take long, and yield its events; the last one is ``done``."""
        with self._reachable():
            yield from self._management.call_with_events(method, API + path, body, limit_us=DEPLOY_LIMIT_US)

    def stream_lines(self, path: str) -> Iterator[str]:
        """Yield the lines of a text that grows."""
        with self._reachable():
            yield from self._management.stream_lines(API + path)

    @contextlib.contextmanager
    def model_files(self, save: Callable[[Path], None]) -> Iterator[str]:
        """Put a model's files where the server finds them, and yield what a deployment calls them.

        They go by a directory of this machine where the server runs here, as a tar elsewhere; what no deployment
        takes is removed.
        """
        from clipper.client.model_files import local_directory, save_files, upload

        with local_directory(self.status(), self.management_url, False) as (directory, is_shared):
            save_files(save, directory)
            with self._reachable():
                name = str(directory) if is_shared else upload(self._management, directory)
            yield name

    def status(self) -> dict[str, Any]:
        """Return everything that management knows."""
        status = self.get("/status")
        if not isinstance(status, dict) or "query_url" not in status:
            raise UnavailableError(
                f"what listens on {self.management_url} does not answer as Clipper's management does"
            )
        return status

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        with self._reachable():
            return self._management.call(method, API + path, body, limit_us=CHANGE_LIMIT_US)

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[None]:
        """Say which option helps where nothing answers, or not to us."""
        try:
            yield
        except UnauthorizedError as error:
            hint = f"give its token: --token-file FILE, or the variable {TOKEN_VARIABLE}"
            raise UnauthorizedError(error.message, hint=hint) from error
        except UnavailableError as error:
            if "CERTIFICATE_VERIFY_FAILED" in error.message:
                hint = "name the authority of its certificate: --ca-file FILE"
                if "not valid for" in error.message:
                    hint = "the certificate is for another name: give that one in --url"
                raise UnavailableError(error.message, hint=hint) from error
            if "cannot be reached" not in error.message:
                raise
            where = f"at {self.management_url}"
            if self.run_dir is not None:
                where += f" (run_dir {str(self.run_dir)!r})"
            raise UnavailableError(
                f"Clipper is not running {where}",
                hint="start it with `clipper start`, or say which one is meant with --url or --run-dir",
            ) from error

    # -- queries -----------------------------------------------------------------------------------------------------

    def query(self, status: Mapping[str, Any]) -> HttpClient:
        """Return the client of the query port that ``status`` names."""
        from clipper.client.http_client import HttpClient
        from clipper.client.urls import reachable_query_url

        if self._query is None:
            url = reachable_query_url(str(status["query_url"]), self.management_url)
            self._query = HttpClient(url, **(self._trust if url.startswith("https:") else {}))
        return self._query

    def metrics(self, status: Mapping[str, Any]) -> str:
        """Return the Prometheus text of the query port."""
        client = self.query(status)
        code, text = client.exchange("GET", "/metrics", limit_us=_METRICS_LIMIT_US)
        if code != 200:
            raise UnavailableError(
                f"{client.base_url}/metrics answers with status {code}", hint="clipper logs frontend"
            )
        return text

    # -- names -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def suggesting(self, *, application: str | None = None, model: str | None = None) -> Iterator[None]:
        """Suggest the nearest name where one of these does not exist."""
        try:
            yield
        except NotFoundError as error:
            for path, name in (("/applications", application), ("/models", model)):
                suggestion = "" if name is None else nearest(name, (item["name"] for item in self.get(path)))
                if suggestion:
                    raise NotFoundError(error.message, hint=f"did you mean {suggestion!r}? {error.hint}") from error
            raise


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that ``name`` is most probably a misspelling of; "" if it is known, or like none."""
    names = list(known)
    return "" if name in names else next(iter(difflib.get_close_matches(name, names, 1)), "")


def connect(url: str | None, run_dir: Path | None, token_file: Path | None, ca_file: Path | None) -> Server:
    """Return the Clipper that is meant: of a URL, of a run directory, or this user's own.

    A Clipper that was started on this machine is found through its run directory, on whatever port it listens, with
    the token and the certificate that its configuration names.
    """
    from clipper.cli.instance import management_url_of, resolve_run_dir, running_config
    from clipper.client.urls import check_url

    token = find_token(None, token_file)
    directory = resolve_run_dir(run_dir) if url is None or run_dir is not None else None
    config = None if directory is None else running_config(directory)
    own_url = None if config is None else management_url_of(config)
    if url is not None and own_url != check_url("--url", url):
        # Another instance, whatever CLIPPER_RUN_DIR says: the token of this one is none of its business.
        return Server(check_url("--url", url), token=token, ca_file=ca_file)
    if config is None or own_url is None:
        if run_dir is not None:
            raise UnavailableError(
                f"no Clipper has run in {str(directory)!r}", hint=f"clipper start --run-dir {directory} starts one"
            )
        return Server(DEFAULT_URL, token=token, ca_file=ca_file, run_dir=directory)
    security = config.security
    if not token and security.management_token_file is not None:
        token = _token_if_readable(security.management_token_file)
    certificate = security.tls_certificate_file
    if certificate is not None and not os.access(certificate, os.R_OK):  # another user's
        certificate = None
    return Server(own_url, token=token, ca_file=ca_file, run_dir=directory, own_certificate=certificate)


def _token_if_readable(path: Path) -> str:
    try:
        return find_token(None, path)
    except ClipperError:  # another user's: the server will say that a token is missing
        return ""
