"""``clipper build-image``: the image that containers need, or Clipper's, made of this machine; or a model's."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from clipper.cli.options import JsonOption
from clipper.cli.output import print_json
from clipper.cli.progress import Show, progress
from clipper.errors import InvalidArgumentError

_STEP: Final = re.compile(r"Step (\d+)/(\d+) : (.*)")


def build_image(
    tag: Annotated[
        str | None,
        typer.Argument(help="Name of the image. Default: that of the base image, as docker.image says.", metavar="TAG"),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", help="A file or a directory that becomes /model.", metavar="PATH", show_default=False),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--from", help="The image it is made on top of. Default: the base image.", metavar="IMAGE"),
    ] = None,
    packages: Annotated[
        list[str] | None,
        typer.Option("--package", help="What pip installs in it; may be repeated.", metavar="NAME"),
    ] = None,
    container: Annotated[
        str | None,
        typer.Option(
            "--container", help="The built-in container it runs. Default: that of the image below.", metavar="NAME"
        ),
    ] = None,
    copied: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="Of an image made of this machine: a distribution installed here that is copied; may be repeated.",
            metavar="NAME",
        ),
    ] = None,
    is_clipper: Annotated[
        bool, typer.Option("--clipper", help="The whole of Clipper, to run it in a container.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an image for replicas in Docker.

    Without options it is the base image: the Python that runs this command, with what containers need, copied from
    here; no registry is asked. With --clipper it has Clipper itself. With --model, --package, --container or --from
    it is built on top of another image.
    """
    from clipper.config import load_config
    from clipper.deploy.base_image import BASE_DISTRIBUTIONS
    from clipper.deploy.build_image import ModelImage, build_base_image, build_clipper_image, build_model_image
    from clipper.deploy.clipper_image import CLIPPER_DISTRIBUTIONS, default_clipper_image
    from clipper.deploy.docker_daemon import Daemon
    from clipper.deploy.docker_spec import default_image

    config = load_config(environment=os.environ, overrides={}).config.docker
    is_on_top = model is not None or base is not None or bool(packages) or container is not None
    if is_on_top and is_clipper:
        raise InvalidArgumentError(
            "--clipper is made of this machine: --model, --package, --container and --from "
            "are of images on top of another"
        )
    if is_on_top and tag is None:
        raise InvalidArgumentError("an image on top of another needs a name of its own", hint="clipper build-image TAG")
    if is_on_top and copied:
        raise InvalidArgumentError(
            "--with is of images made of this machine", hint="--package installs into other images"
        )
    name = tag or (default_clipper_image() if is_clipper else default_image(config))
    command = ("python3", "-m", f"model_containers.{container}") if container else ()
    started_s = time.monotonic()
    daemon = Daemon(config)
    try:
        with progress(f"building {name}", "steps") as shown:
            show = _by_steps(shown)
            if is_clipper:
                size_bytes = build_clipper_image(daemon, name, [*CLIPPER_DISTRIBUTIONS, *(copied or ())], show)
            elif is_on_top:
                image = ModelImage(name, base or default_image(config), model, tuple(packages or ()), command)
                size_bytes = build_model_image(daemon, image, show)
            else:
                size_bytes = build_base_image(daemon, name, [*BASE_DISTRIBUTIONS, *(copied or ())], show)
    finally:
        daemon.close()
    told: dict[str, Any] = {
        "image": name,
        "size_bytes": size_bytes,
        "elapsed_s": round(time.monotonic() - started_s, 2),
    }
    if as_json:
        print_json(told)
    else:
        print(f"{name}: {size_bytes / 2**20:.0f} MiB, built in {told['elapsed_s']:.1f} s")


def _by_steps(show: Show) -> Callable[[str], None]:
    """Return what takes the lines of a build: a step of so many moves the bar, the lines of a step do not."""
    done, total = 0, 0

    def say(line: str) -> None:
        nonlocal done, total
        found = _STEP.fullmatch(line)
        if found is not None:
            done, total, line = int(found[1]) - 1, int(found[2]), found[3]
        show(line, done, total)

    return say
