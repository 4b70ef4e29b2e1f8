"""Where the token of management comes from, and that nobody gets to read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipper import CallerError, Clipper, InvalidArgumentError
from clipper.client.tokens import find_token
from tests.support.canned_server import Asked, canned_server

SECRET = "s3cret-token"
STATUS = json.dumps({"query_url": "http://127.0.0.1:1", "staging_dir": "/nowhere", "run_dir": "/nowhere"}).encode()
DENIED = (401, "application/json", json.dumps({"error": "unauthorized", "cause": "the token is wrong"}).encode())


def test_argument_comes_before_file_and_both_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    environment = {"CLIPPER_TOKEN": "from-variable", "CLIPPER_TOKEN_FILE": str(file)}
    assert find_token("given", None, environment) == "given"
    assert find_token(None, file, environment) == "from-file"
    assert find_token(None, None, environment) == "from-variable"
    assert find_token(None, None, {"CLIPPER_TOKEN_FILE": str(file)}) == "from-file"
    assert find_token(None, None, {}) == ""


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ünicode", "x" * 4097, 7])
def test_what_is_no_token_is_refused_without_being_repeated(token: object) -> None:
    with pytest.raises(InvalidArgumentError, match="token") as caught:
        find_token(token, None, {})  # type: ignore[arg-type]
    assert not str(token).strip() or str(token) not in str(caught.value)


def test_longest_token_is_accepted() -> None:
    assert find_token("x" * 4096, None, {}) == "x" * 4096


def test_file_that_is_missing_or_holds_no_token_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"absent.*No such file"):
        find_token(None, tmp_path / "absent", {})
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(InvalidArgumentError, match=r"CLIPPER_TOKEN_FILE.*empty"):
        find_token(None, None, {"CLIPPER_TOKEN_FILE": str(tmp_path / "empty")})
    with pytest.raises(InvalidArgumentError, match="both"):
        find_token("a", tmp_path / "empty", {})


def test_token_goes_to_management_as_bearer_and_not_to_the_query_port() -> None:
    answered = {"query_id": 1, "output": 2, "default": False}
    query = {"/app/predict": (200, "application/json", json.dumps(answered).encode())}
    status = {"/api/v1/status": (200, "application/json", STATUS)}
    with canned_server(status) as management, canned_server(query) as port:
        with Clipper.connect(management.url, token=SECRET, query_url=port.url) as clipper:
            clipper.status()
            assert clipper.predict("app", [1.0]).output == 2
            assert SECRET not in repr(clipper) + str(vars(clipper))
        assert management.asked[-1].headers["authorization"] == f"Bearer {SECRET}"
        assert "authorization" not in port.asked[-1].headers


def test_wrong_token_is_told_with_what_to_do_and_without_the_token() -> None:
    with canned_server({"/api/v1/status": DENIED}) as server:
        with pytest.raises(CallerError, match="token is wrong") as caught:
            Clipper.connect(server.url, token=SECRET)
        assert "CLIPPER_TOKEN" in caught.value.hint
        assert SECRET not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    ("sent", "told"), [("send the header 'Authorization: Bearer TOKEN'", "CLIPPER_TOKEN"), ("ask Ann", "ask Ann")]
)
def test_hint_is_the_servers_unless_it_speaks_of_headers(sent: str, told: str) -> None:
    body = json.dumps({"error": "unauthorized", "cause": "no", "hint": sent}).encode()
    with canned_server({"/api/v1/status": (401, "application/json", body)}) as server:
        with pytest.raises(CallerError) as caught:
            Clipper.connect(server.url)
        assert told in caught.value.hint


def test_token_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(asked: Asked) -> tuple[int, str, bytes]:
        return (200, "application/json", STATUS) if asked.headers.get("authorization") == f"Bearer {SECRET}" else DENIED

    with canned_server({"/api/v1/status": answer}) as server:
        monkeypatch.setenv("CLIPPER_TOKEN", SECRET)
        Clipper.connect(server.url).stop()
