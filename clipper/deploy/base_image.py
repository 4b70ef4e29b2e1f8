"""An image made of this machine's own Python, with no registry and no network asked: for machines that have neither.

It holds the standard library, the packages that containers need, `model_containers`, and the shared libraries that all
of these load; no shell and no package manager of a distribution. What is inside is exactly what runs here.
"""

from __future__ import annotations

import sys
import sysconfig
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

from clipper.deploy.image_archive import IMAGE_UID, PREFIX, ImageArchive
from clipper.deploy.python_files import distribution_files, library_files, package_files
from clipper.errors import StartError

BASE_DISTRIBUTIONS: Final = ("numpy", "pyzmq", "cloudpickle")
BASE_PACKAGES: Final = ("model_containers",)
_ETC: Final = {
    "etc/passwd": f"root:x:0:0:root:/:/sbin/nologin\nclipper:x:{IMAGE_UID}:{IMAGE_UID}:clipper:/tmp:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nclipper:x:{IMAGE_UID}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
_VARIABLES: Final = {
    "PATH": f"/{PREFIX}/bin",
    "LD_LIBRARY_PATH": f"/{PREFIX}/lib",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "CLIPPER_MODEL_PATH": "/model",
}
Say = Callable[[str], None]


def image_changes() -> list[str]:
    """Return what Docker is told of the image beside its files."""
    return [
        *(f"ENV {name}={value}" for name, value in _VARIABLES.items()),  # podman takes a line for one variable
        f"USER {IMAGE_UID}:{IMAGE_UID}",
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
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        write_python(ImageArchive(archive), distributions, BASE_PACKAGES, say)


def write_python(image: ImageArchive, distributions: Sequence[str], packages: Sequence[str], say: Say) -> None:
    """Write this machine's Python with distributions and packages of ours; raises as `write_base_image`."""
    library = Path(sysconfig.get_path("stdlib"))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.executable).resolve()
    if not (library / "os.py").is_file():
        raise StartError(f"there is no standard library in {str(library)!r} to make an image of")
    for directory, mode in (("tmp", 0o1777), ("model", 0o755), ("run/clipper", 0o755), ("proc", 0o755)):
        image.directory(directory, mode)
    for name, text in _ETC.items():
        image.text(name, text)
    image.file(python, f"{PREFIX}/bin/{version}")
    for alias in ("python3", "python"):
        image.link(f"{PREFIX}/bin/{alias}", version)
    say(f"the standard library of Python {sys.version.split()[0]}")
    binaries = [python, *image.files(library_files(library), f"{PREFIX}/lib/{version}")]
    site = f"{PREFIX}/lib/{version}/site-packages"
    for name, files in distribution_files(distributions):
        say(name)
        binaries += image.files(files, site)
    for package in packages:
        say(package)
        binaries += image.files(package_files(package), site)
    say("the shared libraries that they load")
    image.shared_libraries(binaries)
