"""Tars from other machines: what is taken is below the target, private and complete; anything else leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import os
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.config import ManagementConfig
from clipper.errors import ClipperError, InvalidArgumentError, TooLargeError
from clipper.management.uploads import MAX_PATH_CHARACTERS, Uploads, unpack

MAX_BYTES, MAX_FILES = 1000, 5
Fill = Callable[[tarfile.TarFile], None]


def tar_of(fill: Fill, form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        fill(tar)
    return file.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object) -> Fill:
    def fill(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(content)
        for field, value in fields.items():
            setattr(info, field, value)
        tar.addfile(info, io.BytesIO(content))

    return fill


def members(*fills: Fill) -> Fill:
    def fill(tar: tarfile.TarFile) -> None:
        for each in fills:
            each(tar)

    return fill


def unpacked(tar: bytes, target: Path) -> dict[str, bytes]:
    unpack(io.BytesIO(tar), target, MAX_BYTES, MAX_FILES)
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_plain_files_are_written_privately_whatever_the_tar_says_of_them(tmp_path: Path, form: int) -> None:
    tar = tar_of(
        members(
            member("./", tarfile.DIRTYPE),
            member("a.txt", content=b"one", mode=0o7777, uid=0, gid=0),
            member("sub/deep/b", content=b"two"),
            member(f"{'x' * 90}/{'y' * 90}", content=b"three"),
        ),
        form,
    )
    target = tmp_path / "t"
    assert unpacked(tar, target) == {"a.txt": b"one", "sub/deep/b": b"two", f"{'x' * 90}/{'y' * 90}": b"three"}
    assert (target / "a.txt").stat().st_mode & 0o7777 == 0o600
    assert (target / "sub").stat().st_mode & 0o7777 == 0o700
    assert (target / "a.txt").stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    ("fill", "match"),
    [
        (member("../out", content=b"x"), "does not lie below"),
        (member("a/../../out", content=b"x"), "does not lie below"),
        (member("/abs", content=b"x"), "does not lie below"),
        (member("x" * 256, content=b"x"), "does not lie below"),
        (member("/".join("x" * 600), content=b"x"), "does not lie below"),
        (member(".", content=b"x"), "no name"),
        (member("link", tarfile.SYMTYPE, linkname="/etc/passwd"), "neither a plain file nor"),
        (member("hard", tarfile.LNKTYPE, linkname="a"), "neither a plain file nor"),
        (member("pipe", tarfile.FIFOTYPE), "neither a plain file nor"),
        (member("null", tarfile.CHRTYPE), "neither a plain file nor"),
        (member("disk", tarfile.BLKTYPE), "neither a plain file nor"),
        (member("sparse", tarfile.GNUTYPE_SPARSE), "neither a plain file nor"),
        (members(member("a", content=b"1"), member("a", content=b"2")), "twice"),
        (members(member("a", content=b"1"), member("a/b", content=b"2")), "twice"),
        (members(member("a/b", content=b"1"), member("a", content=b"2")), "twice"),
        (members(member("a", content=b"1"), member("a", tarfile.DIRTYPE)), "twice"),
        (members(), "empty"),
    ],
)
def test_tar_with_anything_else_is_refused(tmp_path: Path, fill: Fill, match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        unpacked(tar_of(fill), tmp_path / "t")
    assert {path.name for path in tmp_path.iterdir()} == {"t"}  # nothing beside the target


def test_files_up_to_the_limits_are_taken_and_beyond_them_refused(tmp_path: Path) -> None:
    fits = [member(str(number), content=b"x" * (MAX_BYTES // MAX_FILES)) for number in range(MAX_FILES)]
    assert len(unpacked(tar_of(members(*fits)), tmp_path / "fits")) == MAX_FILES
    with pytest.raises(TooLargeError, match="more than 5 files"):
        unpacked(tar_of(members(*fits, member("d", tarfile.DIRTYPE))), tmp_path / "many")
    with pytest.raises(TooLargeError, match="longer than 1000 bytes"):
        unpacked(tar_of(members(*fits[:-1], member("last", content=b"x" * 201))), tmp_path / "long")
    longest = "/".join(["x" * 255] * 3) + "/" + "y" * 255
    assert len(longest) == MAX_PATH_CHARACTERS - 1
    assert list(unpacked(tar_of(member(longest, content=b"x")), tmp_path / "deep")) == [longest]


def test_declared_size_beyond_the_body_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    tar = bytearray(tar_of(member("a", content=b"x")))
    info = tarfile.TarInfo("a")
    info.size = 10**15
    tar[:512] = info.tobuf(tarfile.GNU_FORMAT)[:512]
    with pytest.raises(TooLargeError):
        unpacked(bytes(tar), tmp_path / "t")


def test_extended_header_is_bounded_before_it_is_read(tmp_path: Path) -> None:
    tar = tar_of(member("a", content=b"x", pax_headers={"comment": "x" * 70_000}))
    with pytest.raises(InvalidArgumentError, match="extended header"):
        unpacked(tar, tmp_path / "t")


TAR = tar_of(
    members(member("a" * 120, content=b"1" * 600), member("b/c", content=b"2", pax_headers={"k": "v"})),
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, len(TAR) - 1), st.binary(min_size=1, max_size=12)), max_size=3), st.data())
def test_damaged_tar_is_taken_or_refused_and_writes_nothing_outside(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    damaged = bytearray(TAR)
    for at, replacement in changes:
        damaged[at : at + len(replacement)] = replacement
    cut = data.draw(st.integers(0, len(damaged)))
    top = tmp_path_factory.mktemp("damaged", numbered=True)
    with contextlib.suppress(InvalidArgumentError, TooLargeError):
        unpacked(bytes(damaged[:cut]), top / "t")
    assert {path.name for path in top.iterdir()} == {"t"}


async def chunks_of(*chunks: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


def test_upload_appears_whole_and_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "staging", ManagementConfig())
    stored = asyncio.run(uploads.receive(chunks_of(TAR[:700], TAR[700:])))
    assert (stored / "b" / "c").read_bytes() == b"2"
    assert list((tmp_path / "staging").iterdir()) == [stored]
    full = chunks_of(TAR, error=OSError(errno.ENOSPC, "No space left on device"))
    for chunks in (chunks_of(TAR[:700]), chunks_of(b"no tar"), chunks_of(b""), full):
        with pytest.raises(ClipperError):
            asyncio.run(uploads.receive(chunks))
        assert list((tmp_path / "staging").iterdir()) == [stored]


def test_what_no_deployment_takes_is_swept_after_its_time_and_not_before(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, ManagementConfig(staging_ttl_us=1_000_000))
    (tmp_path / "upload-1").mkdir()
    (tmp_path / "upload-1" / "file").touch()
    (tmp_path / ".part-2.tar").touch()
    os.utime(tmp_path / "upload-1", (1000, 1000))
    os.utime(tmp_path / ".part-2.tar", (1000.5, 1000.5))
    uploads.sweep_once(1001.0)
    assert {path.name for path in tmp_path.iterdir()} == {"upload-1", ".part-2.tar"}
    uploads.sweep_once(1001.001)
    assert {path.name for path in tmp_path.iterdir()} == {".part-2.tar"}
    uploads.sweep_once(1002.0)
    assert list(tmp_path.iterdir()) == []
    Uploads(tmp_path / "absent", ManagementConfig()).sweep_once(0)
