"""Bearer tokens: what a file of them may hold, and what is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipper.errors import InvalidArgumentError
from clipper.security.tokens import (
    MAX_TOKENS,
    MIN_TOKEN_CHARACTERS,
    is_token,
    make_token_file,
    read_token_set,
    read_tokens,
)

OLD, NEW = "old-" + "a" * 40, "new-" + "b" * 40


def token_file(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_made_token_is_long_private_and_new_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_token_file(tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    (first,), (second,) = read_tokens(tmp_path / "a"), read_tokens(tmp_path / "b")
    assert len(first) > MIN_TOKEN_CHARACTERS
    assert first != second


def test_tokens_are_read_one_a_line_and_all_of_them_are_accepted(tmp_path: Path) -> None:
    path = token_file(tmp_path / "t", f"# rotated in May\n{NEW}\n\n  {OLD}  \r\n")
    assert read_tokens(path) == (NEW, OLD)
    tokens = read_token_set(path)
    assert tokens.accepts(NEW.encode())
    assert tokens.accepts(OLD.encode())


@pytest.mark.parametrize("other", [b"", b"x", NEW[:-1].encode(), (NEW + "b").encode(), NEW.upper().encode(), b"\xff"])
def test_any_other_token_is_not_accepted(tmp_path: Path, other: bytes) -> None:
    assert not read_token_set(token_file(tmp_path / "t", NEW)).accepts(other)


def test_token_set_does_not_hold_the_tokens(tmp_path: Path) -> None:
    assert NEW not in repr(read_token_set(token_file(tmp_path / "t", NEW)))


@pytest.mark.parametrize(("characters", "is_taken"), [(MIN_TOKEN_CHARACTERS, True), (MIN_TOKEN_CHARACTERS - 1, False)])
def test_token_has_a_least_length(tmp_path: Path, characters: int, is_taken: bool) -> None:
    path = token_file(tmp_path / "t", "z" * characters)
    if is_taken:
        assert read_tokens(path) == ("z" * characters,)
        return
    with pytest.raises(InvalidArgumentError, match=r"line 1 .* has 31 characters, expected at least 32") as caught:
        read_tokens(path)
    assert "zzz" not in str(caught.value)


@pytest.mark.parametrize(("count", "is_taken"), [(0, False), (1, True), (MAX_TOKENS, True), (MAX_TOKENS + 1, False)])
def test_file_holds_one_to_a_bounded_number_of_tokens(tmp_path: Path, count: int, is_taken: bool) -> None:
    path = token_file(tmp_path / "t", "".join(f"{number:04d}{'q' * 32}\n" for number in range(count)))
    if is_taken:
        assert len(read_tokens(path)) == count
        return
    with pytest.raises(InvalidArgumentError, match=f"holds {count} tokens, expected 1 to {MAX_TOKENS}"):
        read_tokens(path)


@pytest.mark.parametrize("character", [" ", '"', "\t", "ä", "\x00", ","])
def test_token_with_a_character_that_no_header_may_carry_is_refused_by_line(tmp_path: Path, character: str) -> None:
    token = "s" * 20 + character + "s" * 20
    assert not is_token(token)
    with pytest.raises(InvalidArgumentError, match="line 2 ") as caught:
        read_tokens(token_file(tmp_path / "t", f"{NEW}\n{token}\n"))
    assert "sss" not in str(caught.value)
