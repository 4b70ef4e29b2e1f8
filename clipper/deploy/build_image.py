"""Images: those of models, on top of a base image; and those made of this machine, the base image and Clipper's."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from clipper.deploy.base_image import image_changes, write_base_image
from clipper.deploy.clipper_image import clipper_changes, write_clipper_image
from clipper.deploy.docker_daemon import Daemon, explanation
from clipper.errors import DeployError, InvalidArgumentError

Say = Callable[[str], None]
_USER: Final = "65532:65532"
_TAIL_LINES: Final = 20
# Runs in the image: there may be neither a shell nor pip in it. Layers of the same packages come from the cache.
_INSTALL: Final = (
    "import importlib.util as util, subprocess, sys; "
    "util.find_spec('pip') or subprocess.check_call([sys.executable, '-m', 'ensurepip']); "
    "subprocess.check_call([sys.executable, '-m', 'pip', 'install', '--no-cache-dir', *sys.argv[1:]])"
)


@dataclass(frozen=True, slots=True)
class ModelImage:
    """What to build.

    Parameters
    ----------
    tag : str
        The image's name, ``clipper-digits:1``.
    base : str
        The image that it is made on top of.
    model_path : Path or None
        A directory whose contents become ``/model``, or a file that is put there.
    packages : tuple of str
        What pip installs, as it is told: ``scikit-learn==1.5.0``.
    """

    tag: str
    base: str
    model_path: Path | None = None
    packages: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def dockerfile(self) -> str:
        """Return the text of the Dockerfile; packages first, since they change more rarely than models."""
        lines = [f"FROM {self.base}"]
        if self.packages:
            lines += ["USER 0:0", f"RUN {json.dumps(['python3', '-c', _INSTALL, *self.packages])}", f"USER {_USER}"]
        if self.model_path is not None:
            lines += [f"COPY --chown={_USER} model /model/", "ENV CLIPPER_MODEL_PATH=/model"]
        if self.command:
            lines += [f"ENTRYPOINT {json.dumps(list(self.command))}"]
        return "\n".join(lines) + "\n"


def build_base_image(daemon: Daemon, tag: str, distributions: Sequence[str], say: Say) -> int:
    """Make an image of this machine's Python under a name, and return its size in bytes.

    Raises
    ------
    InvalidArgumentError, StartError
        As `write_base_image`.
    DeployError
        The daemon cannot take it.
    """
    return _import(daemon, tag, lambda file: write_base_image(file, distributions, say), image_changes(), say)


def build_clipper_image(daemon: Daemon, tag: str, distributions: Sequence[str], say: Say) -> int:
    """Make an image of this machine's Clipper likewise; raises as `build_base_image`.

    On podman it has no health check: an import takes none there, and `compose/compose.yaml` has its own.
    """
    changes = [one for one in clipper_changes() if not (one.startswith("HEALTHCHECK") and daemon.is_podman())]
    return _import(daemon, tag, lambda file: write_clipper_image(file, distributions, say), changes, say)


def _import(daemon: Daemon, tag: str, write: Callable[[IO[bytes]], None], changes: list[str], say: Say) -> int:
    import docker

    with tempfile.NamedTemporaryFile(prefix="clipper-image-", suffix=".tar") as archive:
        write(archive)
        archive.flush()
        say(f"handing {archive.tell() >> 20} MiB to the Docker daemon")
        try:
            with daemon.told():
                # Name and tag in one: podman does not look at the other argument.
                daemon.client.api.import_image_from_file(archive.name, repository=tag, changes=changes)
                return int(daemon.client.images.get(tag).attrs["Size"])
        except docker.errors.APIError as error:
            raise DeployError(f"the image {tag!r} cannot be made: {explanation(error)}") from error


def build_model_image(daemon: Daemon, image: ModelImage, say: Say) -> int:
    """Build an image, and return its size in bytes; unchanged layers come from the daemon's cache.

    Raises
    ------
    InvalidArgumentError
        There is no model at its path.
    DeployError
        It cannot be built; says the end of what the build said.
    """
    import docker

    said: list[str] = []
    with tempfile.TemporaryFile() as context:
        _write_context(context, image)
        context.seek(0)
        try:
            with daemon.told():
                steps = daemon.client.api.build(
                    fileobj=context,
                    custom_context=True,
                    tag=image.tag,
                    rm=True,
                    forcerm=True,
                    decode=True,
                    timeout=daemon.pull_limit_s,  # of a step that says nothing
                )
                for step in steps:
                    if "error" in step:
                        raise _failed(image, str(step["error"]), said)
                    line = str(step.get("stream") or step.get("status") or "").strip()
                    if line:
                        said.append(line)
                        say(line)
                return int(daemon.client.images.get(image.tag).attrs["Size"])
        except docker.errors.APIError as error:
            raise _failed(image, explanation(error), said) from error


def _failed(image: ModelImage, cause: str, said: Sequence[str]) -> DeployError:
    tail = "".join(f"\n  {line}" for line in said[-_TAIL_LINES:])
    return DeployError(f"the image {image.tag!r} cannot be built: {cause}; the build said at last:{tail}")


def _write_context(target: IO[bytes], image: ModelImage) -> None:
    with tarfile.open(fileobj=target, mode="w") as archive:
        text = image.dockerfile().encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
        path = image.model_path
        if path is None:
            return
        if not path.exists():
            raise InvalidArgumentError(f"there is no model at {str(path)!r}: expected a file or a directory")
        name = PurePosixPath("model") if path.is_dir() else PurePosixPath("model", path.name)
        archive.add(path, str(name), filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out who owns a file here and when it changed: the cache knows unchanged files by what is in them."""
    if not (entry.isfile() or entry.isdir()):
        return None
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry
