"""The tar archive of an image's root directory, and the shared libraries that programs in it load."""

from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sysconfig
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from clipper.errors import StartError

PREFIX: Final = "usr/local"
IMAGE_UID: Final = 65532  # "nonroot" of many small images
_LDD_LINE: Final = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)


class ImageArchive:
    """Adds files to an archive with one owner, one time and sane modes, whatever they have here."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._names: set[str] = set()

    def directory(self, name: str, mode: int = 0o755, uid: int = 0) -> None:
        """Add a directory, and those above it."""
        for end in [match.start() for match in re.finditer("/", name)]:
            self._add_directory(name[:end], 0o755, 0)
        self._add_directory(name, mode, uid)

    def _add_directory(self, name: str, mode: int, uid: int) -> None:
        if name and name not in self._names:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, uid, uid
            self._names.add(name)
            self._archive.addfile(entry)

    def file(self, source: Path, name: str) -> bool:
        """Add a regular file under another name; False if that is taken."""
        if name in self._names:
            return False
        self.directory(name.rpartition("/")[0])
        with source.open("rb") as data:
            status = os.fstat(data.fileno())
            entry = tarfile.TarInfo(name)
            entry.size = status.st_size
            entry.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
            entry.mtime = int(status.st_mtime)  # of sources: compiled files of the same library name it
            self._archive.addfile(entry, data)
        self._names.add(name)
        return True

    def text(self, name: str, text: str, mode: int = 0o644) -> None:
        """Add a file with this text."""
        self.directory(name.rpartition("/")[0])
        data = text.encode()
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), mode
        self._archive.addfile(entry, io.BytesIO(data))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link, unless the name is taken."""
        if name not in self._names:
            self.directory(name.rpartition("/")[0])
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            self._names.add(name)
            self._archive.addfile(entry)

    def files(self, named: Iterable[tuple[str, Path]], target: str) -> list[Path]:
        """Add files by their paths below ``target``; return the shared libraries and programs among them."""
        found = []
        for name, path in named:
            self.file(path, f"{target}/{name}")
            if ".so" in path.suffixes or (not path.suffix and _is_program(path)):
                found.append(path)
        return found

    def program(self, path: Path, name: str) -> None:
        """Add a program of this machine with the shared libraries that it loads."""
        self.file(path.resolve(), name)
        self.shared_libraries([path])

    def shared_libraries(self, binaries: Sequence[Path]) -> None:
        """Add what these load where the loader looks for it: the system's in its place, others beside Python.

        Raises
        ------
        StartError
            There is no ``ldd``.
        """
        for path in shared_libraries(binaries):
            is_of_system = str(path).startswith(("/lib", "/usr/lib"))
            self.file(path.resolve(), str(path).lstrip("/") if is_of_system else f"{PREFIX}/lib/{path.name}")


def shared_libraries(binaries: Sequence[Path]) -> list[Path]:
    """Return what the loader would load for these files, except what lies among the packages anyway.

    Raises
    ------
    StartError
        There is no ``ldd``.
    """
    packages = {str(Path(sysconfig.get_path(name)).resolve()) for name in ("purelib", "platlib")}
    try:
        done = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False)
    except OSError as error:
        raise StartError(f"the shared libraries of Python cannot be told: {error}", hint="install ldd") from error
    found = dict.fromkeys(Path(path) for path in _LDD_LINE.findall(done.stdout))
    return [path for path in found if not any(str(path.resolve()).startswith(f"{root}/") for root in packages)]


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
