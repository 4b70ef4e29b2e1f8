"""``clipper build-image``: the image that containers need, made of this machine; or a model's, on top of another."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from clipper.cli.options import JsonOption
from clipper.cli.output import print_json
from clipper.cli.progress import progress
from clipper.errors import InvalidArgumentError


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
            help="Of the base image: a distribution installed here that is copied; may be repeated.",
            metavar="NAME",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an image for replicas in Docker.

    Without options it is the base image: the Python that runs this command, with what containers need, copied from
    here; no registry is asked. With --model, --package, --container or --from it is built on top of another image.
    """
    from clipper.config import load_config
    from clipper.deploy.base_image import BASE_DISTRIBUTIONS
    from clipper.deploy.build_image import ModelImage, build_base_image, build_model_image
    from clipper.deploy.docker_daemon import Daemon
    from clipper.deploy.docker_spec import default_image

    config = load_config(environment=os.environ, overrides={}).config.docker
    is_base = model is None and base is None and not packages and container is None
    if not is_base and tag is None:
        raise InvalidArgumentError("an image on top of another needs a name of its own", hint="clipper build-image TAG")
    if not is_base and copied:
        raise InvalidArgumentError("--with is of the base image alone", hint="--package installs into other images")
    name = tag or default_image(config)
    command = ("python3", "-m", f"model_containers.{container}") if container else ()
    started_s = time.monotonic()
    daemon = Daemon(config)
    try:
        with progress(f"building {name}") as show:
            if is_base:
                size_bytes = build_base_image(daemon, name, [*BASE_DISTRIBUTIONS, *(copied or ())], show)
            else:
                image = ModelImage(name, base or default_image(config), model, tuple(packages or ()), command)
                size_bytes = build_model_image(daemon, image, show)
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
