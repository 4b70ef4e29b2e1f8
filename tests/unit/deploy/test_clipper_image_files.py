"""The image of Clipper that is made offline, the Dockerfile and the compose file say the same."""

from __future__ import annotations

import importlib.metadata
import io
import json
import re
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from clipper.deploy import base_image, image_archive
from clipper.deploy.clipper_image import (
    CLIPPER_DISTRIBUTIONS,
    HEALTH_COMMAND,
    RUN_DIR,
    VARIABLES,
    clipper_changes,
    default_clipper_image,
    write_clipper_image,
)
from clipper.deploy.image_archive import IMAGE_UID, ImageArchive
from clipper.deploy.python_files import distribution_files
from clipper.errors import InvalidArgumentError
from clipper.image.secrets import FILE_SECRETS, PASSWORD_SECRET
from tests.support.repository import ROOT, text_of

COMPOSE, DOCKERFILE = text_of(Path("compose/compose.yaml")), text_of(Path("compose/Dockerfile"))
PINS = dict(re.findall(r"^([\w-]+)==(\S+)$", text_of(Path("compose/requirements.txt")), re.MULTILINE))


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0].replace("_", "-").lower()


def test_distributions_are_those_that_the_project_requires() -> None:
    project = tomllib.loads(text_of(Path("pyproject.toml")))["project"]
    required = {name_of(one) for one in [*project["dependencies"], *project["optional-dependencies"]["redis"]]}
    assert set(CLIPPER_DISTRIBUTIONS) == required
    assert required <= {name_of(name) for name in PINS}, "pinned for the Dockerfile"


def test_pins_are_whole() -> None:
    needed = {name_of(told.split()[0]) for told, _ in distribution_files(CLIPPER_DISTRIBUTIONS)}
    assert needed <= {name_of(name) for name in PINS}


def test_image_holds_the_whole_product_and_its_directory_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of the standard library and the system's libraries the base image's tests know; they take seconds.
    monkeypatch.setattr(base_image, "library_files", lambda _: [("site.py", Path(__file__))])
    monkeypatch.setattr(image_archive, "shared_libraries", lambda _: [])
    file = io.BytesIO()
    said: list[str] = []
    write_clipper_image(file, ("redis",), said.append)
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        entries = {entry.name: entry for entry in archive}
    directory = entries[RUN_DIR.lstrip("/")]
    assert directory.mode == 0o700 and (directory.uid, directory.gid) == (IMAGE_UID, IMAGE_UID)
    assert entries["usr/local/bin/clipper"].mode == 0o755
    site = next(name for name in entries if name.endswith("site-packages"))
    for name in ("clipper/_core/http_server", "clipper/management/app.py", "model_containers/sum", "redis/client.py"):
        assert any(path.startswith(f"{site}/{name}") for path in entries), name
    assert f"{site}/clipper/__pycache__/errors.cpython-" in "\n".join(entries), "compiled: nothing is written there"
    assert not [name for name in entries if name.endswith((".pyx", ".hpp", ".md")) or "/_tkinter." in name]
    assert {"clipper", "model_containers"} <= set(said)


def test_distribution_that_is_not_here_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="'no-such-thing' is not installed here"):
        list(distribution_files(("no-such-thing",)))


def test_requirements_of_this_platform_come_along_and_those_of_extras_do_not() -> None:
    names = {told.split()[0].lower() for told, _ in distribution_files(("anyio",))}
    assert {"anyio", "idna", "typing_extensions"} <= names and "trio" not in names


def test_modules_of_a_distribution_come_compiled_though_its_installer_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.pycache_prefix", None)
    found = importlib.metadata.PathDistribution(tmp_path / "d-1.dist-info")
    (tmp_path / "d-1.dist-info").mkdir()
    (tmp_path / "d-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: d\nVersion: 1\n")
    (tmp_path / "d-1.dist-info" / "RECORD").write_text("d/__init__.py,,\nd/old.py,,\n")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "__init__.py").write_text("x = 1\n")
    (tmp_path / "d" / "old.py").write_text("print 'another Python'\n")
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: found)
    ((told, files),) = distribution_files(("d",))
    compiled = f"d/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    assert told == "d 1" and [name for name, _ in files] == ["d/__init__.py", compiled, "d/old.py"]
    assert (tmp_path / compiled).is_file()


def test_program_comes_with_the_libraries_that_it_loads(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    with tarfile.open(path, "w") as archive:
        ImageArchive(archive).program(Path("/bin/true"), "usr/bin/true")
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert "usr/bin/true" in names and any("libc.so" in name for name in names)
    assert any("ld-linux" in name for name in names)


def test_dockerfile_says_what_the_offline_image_is_told() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    said = " ".join(final.replace("\\\n", " ").split())
    for change in clipper_changes():
        instruction, _, rest = change.partition(" ")
        if instruction == "ENV":
            name = rest.partition("=")[0]
            if name in VARIABLES:
                assert rest in said
        elif instruction != "WORKDIR":
            assert change in said, change
    assert f"useradd --uid {IMAGE_UID} --gid {IMAGE_UID}" in said and "-m 0700 /var/lib/clipper" in said
    assert json.dumps(list(HEALTH_COMMAND)) in said


def test_dockerfile_copies_what_is_there_and_what_is_not_ignored() -> None:
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    assert copied and all((ROOT / name).exists() for name in copied)
    admitted = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert copied == admitted


def test_images_are_pinned_and_clipper_is_this_version() -> None:
    assert f"${{CLIPPER_IMAGE:-{default_clipper_image()}}}" in COMPOSE
    assert default_clipper_image() in DOCKERFILE
    images = re.findall(r"image: \$\{\w+:-(.+)\}", COMPOSE)
    assert len(images) == 3 and all(re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+\S*", image) for image in images)
    assert re.search(r"^ARG PYTHON=\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)


def test_secrets_of_the_compose_file_are_those_that_the_image_takes_and_the_script_makes() -> None:
    services, _, secrets = COMPOSE.partition("\nsecrets:\n")
    clipper = services.partition("\n  redis:\n")[0]
    taken = set(
        re.findall(r"^      - (\w+)$", clipper.partition("secrets:\n")[2].partition("volumes:")[0], re.MULTILINE)
    )
    assert taken <= {*FILE_SECRETS, PASSWORD_SECRET} and taken
    made = set(re.findall(r'>"\$directory/(\w+)"', (ROOT / "compose" / "make-secrets").read_text()))
    assert made == set(re.findall(r"^  (\w+):$", secrets, re.MULTILINE))
