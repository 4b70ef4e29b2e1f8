"""An image made of this machine's own Python, with no registry and no network asked: for machines that have neither.

It holds the standard library, the packages that containers need, `model_containers`, and the shared libraries that all
of these load; no shell and no package manager of a distribution. What is inside is exactly what runs here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import os
import re
import stat
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from clipper.errors import InvalidArgumentError, StartError

BASE_DISTRIBUTIONS: Final = ("numpy", "pyzmq", "cloudpickle")
_PREFIX: Final = "usr/local"
_LEFT_OUT: Final = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "site-packages", "config"}
)
_LEFT_OUT_SUFFIXES: Final = (".opt-1.pyc", ".opt-2.pyc", ".pyo", ".a", ".pyi", ".h", ".pxd", ".pyx", ".exe")
_USER: Final = "65532:65532"
_LDD_LINE: Final = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)
_ETC: Final = {
    "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nclipper:x:65532:65532:clipper:/tmp:/sbin/nologin\n",
    "etc/group": "root:x:0:\nclipper:x:65532:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
Say = Callable[[str], None]


def image_changes() -> list[str]:
    """Return what Docker is told of the image beside its files."""
    return [
        f"ENV PATH=/{_PREFIX}/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp LANG=C.UTF-8 "
        f"LD_LIBRARY_PATH=/{_PREFIX}/lib CLIPPER_MODEL_PATH=/model",
        f"USER {_USER}",
        "WORKDIR /tmp",
        "LABEL ai.clipper.contract=1",
    ]


def write_base_image(target: IO[bytes], distributions: Sequence[str] = BASE_DISTRIBUTIONS, say: Say = print) -> None:
    """Write the tar archive of an image's root directory.

    Parameters
    ----------
    distributions : sequence of str
        Installed distributions whose files are added, with those that they require.

    Raises
    ------
    InvalidArgumentError
        One is not installed here.
    StartError
        This Python has no standard library in files, or the libraries it loads cannot be told.
    """
    library = Path(sysconfig.get_path("stdlib"))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.executable).resolve()
    if not (library / "os.py").is_file():
        raise StartError(f"there is no standard library in {str(library)!r} to make an image of")
    binaries: list[Path] = [python]
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        packer = _Packer(archive)
        for directory, mode in (("tmp", 0o1777), ("model", 0o755), ("run/clipper", 0o755), ("proc", 0o755)):
            packer.directory(directory, mode)
        for name, text in _ETC.items():
            packer.text(name, text)
        packer.file(python, f"{_PREFIX}/bin/{version}")
        for alias in ("python3", "python"):
            packer.link(f"{_PREFIX}/bin/{alias}", version)
        say(f"the standard library of Python {sys.version.split()[0]}")
        binaries += packer.tree(_library_files(library), library, f"{_PREFIX}/lib/{version}")
        site = f"{_PREFIX}/lib/{version}/site-packages"
        for name, files in _distribution_files(distributions):
            say(name)
            binaries += packer.distribution(files, site)
        containers = _package_directory("model_containers")
        say("model_containers")
        packer.tree(_package_files(containers), containers.parent, site)
        say("the shared libraries that they load")
        for path in shared_libraries(binaries):
            packer.shared_library(path)


class _Packer:
    """Adds files to an archive with one owner, one time and sane modes, whatever they have here."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._names: set[str] = set()

    def directory(self, name: str, mode: int = 0o755) -> None:
        for end in [match.start() for match in re.finditer("/", name)]:
            self._add_directory(name[:end], 0o755)
        self._add_directory(name, mode)

    def _add_directory(self, name: str, mode: int) -> None:
        if name and name not in self._names:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
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

    def text(self, name: str, text: str) -> None:
        self.directory(name.rpartition("/")[0])
        data = text.encode()
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), 0o644
        self._archive.addfile(entry, io.BytesIO(data))

    def link(self, name: str, target: str) -> None:
        if name not in self._names:
            self.directory(name.rpartition("/")[0])
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            self._names.add(name)
            self._archive.addfile(entry)

    def tree(self, files: Iterable[Path], root: Path, target: str) -> list[Path]:
        """Add files by their paths below ``root``; return the shared libraries among them."""
        found = []
        for path in files:
            self.file(path, f"{target}/{path.relative_to(root)}")
            if ".so" in path.suffixes:
                found.append(path)
        return found

    def distribution(self, files: Iterable[tuple[str, Path]], target: str) -> list[Path]:
        found = []
        for name, path in files:
            self.file(path, f"{target}/{name}")
            if ".so" in path.suffixes:
                found.append(path)
        return found

    def shared_library(self, path: Path) -> None:
        """Add a shared library where the loader looks for it: the system's in its place, others beside Python."""
        is_of_system = str(path).startswith(("/lib", "/usr/lib"))
        name = str(path).lstrip("/") if is_of_system else f"{_PREFIX}/lib/{path.name}"
        self.file(path.resolve(), name)


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


def _library_files(library: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(library):
        names[:] = sorted(name for name in names if name not in _LEFT_OUT and not name.startswith("config-"))
        # With what Python has compiled: in the image nothing can be written, and each start would compile it all again.
        yield from (Path(directory, name) for name in sorted(files) if _is_wanted(name))


def _is_wanted(name: str) -> bool:
    is_foreign = name.endswith(".pyc") and not name.endswith(f".{sys.implementation.cache_tag}.pyc")
    return not (is_foreign or name.endswith(_LEFT_OUT_SUFFIXES))


def _package_directory(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise StartError(f"the package {name!r} is not installed beside Clipper")
    return Path(found.submodule_search_locations[0])


def _package_files(package: Path) -> Iterator[Path]:
    yield from sorted(path for path in package.rglob("*") if path.is_file() and _is_wanted(path.name))


def _distribution_files(names: Sequence[str]) -> Iterator[tuple[str, list[tuple[str, Path]]]]:
    """Yield each distribution and those that it requires, with its files by their paths among the packages."""
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop(0)
        if (key := re.sub(r"[-_.]+", "-", name).lower()) in seen:
            continue
        seen.add(key)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            raise InvalidArgumentError(
                f"the distribution {name!r} is not installed here, so it cannot be put into an image",
                hint=f"pip install {name}",
            ) from None
        files = []
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            is_inside = ".." not in file.parts and "tests" not in file.parts
            if is_inside and _is_wanted(file.name) and path.is_file():
                files.append((str(file), path))
        yield f"{distribution.name} {distribution.version}", files
        for requirement in distribution.requires or ():
            if ";" not in requirement:  # what depends on an extra or on the platform is left to be named
                waiting.append(re.split(r"[\s<>=!~\[(]", requirement, maxsplit=1)[0])
