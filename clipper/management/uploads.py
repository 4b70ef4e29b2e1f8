"""Model files from another machine: a tar, taken apart into the staging directory, or refused and nothing left."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Self

from clipper.config import ManagementConfig
from clipper.errors import InvalidArgumentError, TooLargeError, UnavailableError

_logger = logging.getLogger(__name__)
_UPLOAD_PREFIX: Final = "upload-"
_PART_PREFIX: Final = ".part-"  # no deployment may name it: `ModelFiles.check_staged`
_COPY_BYTES: Final = 1024 * 1024
_MAX_EXTENDED_HEADER_BYTES: Final = 64 * 1024  # tarfile reads one whole into memory
_EXTENDED_HEADERS: Final = frozenset(
    {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
)
_FILE_TYPES: Final = (tarfile.REGTYPE, tarfile.AREGTYPE)
MAX_PATH_CHARACTERS: Final = 1024  # of one name in a tar
_MAX_PIECE_BYTES: Final = 255  # NAME_MAX of Linux' file systems


class Uploads:
    """The staging directory, as uploads use it; several may run at a time."""

    def __init__(self, staging_dir: Path, config: ManagementConfig) -> None:
        self._staging_dir = staging_dir
        self._config = config

    async def receive(self, chunks: AsyncIterator[bytes]) -> Path:
        """Store a tar's contents and return their directory, to be named as ``files`` of a deployment.

        Raises
        ------
        InvalidArgumentError
            It is no tar, or holds what a model's files may not hold.
        UnavailableError
            The disk cannot take it.
        """
        identity = secrets.token_hex(8)
        tar_path = self._staging_dir / f"{_PART_PREFIX}{identity}.tar"
        part_dir = self._staging_dir / f"{_PART_PREFIX}{identity}"
        target = self._staging_dir / f"{_UPLOAD_PREFIX}{identity}"
        try:
            self._staging_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _create(tar_path) as file:
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
                file.seek(0)
                config = self._config
                await asyncio.to_thread(unpack, file, part_dir, config.max_upload_bytes, config.max_upload_files)
            part_dir.rename(target)  # whoever sees it sees all of it
        except OSError as error:
            raise UnavailableError(
                f"the upload cannot be stored in {str(self._staging_dir)!r}: {error.strerror or error}",
                hint="see the free space and the permissions of the run directory",
            ) from error
        finally:
            tar_path.unlink(missing_ok=True)
            shutil.rmtree(part_dir, ignore_errors=True)
        return target

    async def sweep(self) -> None:
        """Remove what nobody has taken for `staging_ttl_us`, now and then, until cancelled."""
        while True:
            self.sweep_once(time.time())
            await asyncio.sleep(min(60.0, self._config.staging_ttl_us / 4e6))

    def sweep_once(self, now_s: float) -> None:
        """Remove what lies there for longer than `staging_ttl_us` at ``now_s`` (seconds since the epoch)."""
        for path in self._staging_dir.glob("*"):
            try:
                age_us = (now_s - path.lstat().st_mtime) * 1e6
                if age_us <= self._config.staging_ttl_us:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            except FileNotFoundError:
                continue  # a deployment has just taken it
            except OSError as error:
                _logger.warning("%s, which no deployment has taken, cannot be removed: %s", path, error)


def _create(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")


class _Member(tarfile.TarInfo):
    """One header of a tar; an extended one is bounded before its body is read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED_HEADERS and member.size > _MAX_EXTENDED_HEADER_BYTES:
            raise InvalidArgumentError(
                f"an extended header of the tar is longer than {_MAX_EXTENDED_HEADER_BYTES} bytes"
            )
        return member


def unpack(file: BinaryIO, target: Path, max_bytes: int, max_files: int) -> None:
    """Write the members of an uncompressed tar below the new directory ``target``, as this user's private files.

    Only plain files and directories with plain relative names are taken: no link, device or sparse file, nothing
    twice, nothing above or beside the target. Owners, modes and times of the tar are ignored.

    Raises
    ------
    InvalidArgumentError
        It is no tar, or holds anything else.
    TooLargeError
        It holds more than ``max_bytes`` or ``max_files``.
    """
    target.mkdir(mode=0o700)
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_Member, encoding="utf-8", errors="strict") as tar:
            _unpack_members(tar, target, max_bytes, max_files)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, IndexError, KeyError) as error:
        # What a crafted header makes tarfile raise, beside its own errors.
        raise InvalidArgumentError(
            f"the body is no tar: {error}", hint="send the output of: tar --create --directory DIRECTORY ."
        ) from error


def _unpack_members(tar: tarfile.TarFile, target: Path, max_bytes: int, max_files: int) -> None:
    total_bytes = 0
    for number, member in enumerate(tar, 1):
        if number > max_files:
            raise TooLargeError(
                f"the tar holds more than {max_files} files and directories", hint="the limit is max_upload_files"
            )
        parts = _plain_parts(member)
        total_bytes += member.size
        if total_bytes > max_bytes:
            raise TooLargeError(
                f"the files of the tar are longer than {max_bytes} bytes", hint="the limit is max_upload_bytes"
            )
        path = target.joinpath(*parts)
        try:
            for depth in range(1, len(parts) + member.isdir()):  # `parents` of mkdir would give them another mode
                target.joinpath(*parts[:depth]).mkdir(mode=0o700, exist_ok=True)
            if not member.isdir():
                _write_file(tar, member, path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise InvalidArgumentError(f"the tar holds {member.name!r} twice, as a file and something else") from None
    if total_bytes == 0 and not any(target.iterdir()):
        raise InvalidArgumentError("the tar is empty", hint="a model without files needs no upload")


def _write_file(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise InvalidArgumentError(f"{member.name!r} of the tar is no plain file")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with source, open(descriptor, "wb") as copy:
        shutil.copyfileobj(source, copy, _COPY_BYTES)
        if copy.tell() != member.size:
            raise InvalidArgumentError(f"the tar ends within {member.name!r}")


def _plain_parts(member: tarfile.TarInfo) -> tuple[str, ...]:
    """Return the pieces of a member's name, if it is a plain file or directory below the top."""
    is_plain = member.isdir() or (member.type in _FILE_TYPES and member.sparse is None)
    if not is_plain:
        raise InvalidArgumentError(
            f"{member.name!r} of the tar is neither a plain file nor a directory",
            hint="links, devices and sparse files are refused; tar --dereference stores what a link leads to",
        )
    path = PurePosixPath(member.name)
    is_relative = not path.is_absolute() and ".." not in path.parts
    is_short = all(len(piece.encode()) <= _MAX_PIECE_BYTES for piece in path.parts)
    if not (is_relative and is_short) or "\0" in member.name or len(member.name) > MAX_PATH_CHARACTERS:
        raise InvalidArgumentError(
            f"{member.name[:100]!r} of the tar does not lie below its top",
            hint=f"names are relative, without '..', of at most {MAX_PATH_CHARACTERS} characters",
        )
    if not path.parts and not member.isdir():
        raise InvalidArgumentError(f"{member.name!r} of the tar is no name of a file")
    return path.parts
