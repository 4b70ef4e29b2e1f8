"""Building images, with a daemon that is told what to answer: its words in ours, and what is not made again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from clipper.deploy import build_image as module
from clipper.deploy.build_image import ModelImage, build_base_image, build_model_image
from clipper.errors import DeployError

IMAGE = ModelImage("mine:1", "base:1", packages=("no-such==1",))
RUN = 'RUN ["python3", "-c", "..."]'


class SpokenDaemon:
    """Builds what it is told: the lines of a build, and the images that it has."""

    pull_limit_s = 1.0

    def __init__(self, steps: Sequence[Mapping[str, Any]] = ()) -> None:
        self.imported: list[Sequence[str]] = []
        self.images: dict[str, str] = {}  # name -> label
        api = SimpleNamespace(build=lambda **_: iter(steps), import_image_from_file=self._import)
        images = SimpleNamespace(get=lambda _: self._image(), list=self._list)
        self.client: Any = SimpleNamespace(api=api, images=images)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        yield

    def _image(self) -> Any:
        return SimpleNamespace(attrs={"Size": 7})

    def _import(self, path: str, *, repository: str, changes: Sequence[str]) -> None:
        assert Path(path).stat().st_size > 0
        self.imported.append(changes)
        (label,) = (line.removeprefix("LABEL ") for line in changes if "ai.clipper.digest" in line)
        self.images[repository] = label

    def _list(self, name: str, filters: Mapping[str, str]) -> list[Any]:
        return [self._image()] if self.images.get(name) == filters["label"] else []


def build(daemon: Any, image: ModelImage = IMAGE) -> list[str]:
    said: list[str] = []
    assert build_model_image(daemon, image, said.append) == 7
    return said


def failed(*steps: Mapping[str, Any], image: ModelImage = IMAGE) -> str:
    with pytest.raises(DeployError) as caught:
        build(SpokenDaemon(steps), image)
    return caught.value.message


def test_build_tells_its_steps_line_by_line_without_colours() -> None:
    steps: list[dict[str, Any]] = [
        {"stream": f"Step 1/2 : {RUN}\n"},
        {"stream": "\x1b[91mWARNING: old\nand more\n\x1b[0m"},
        {"aux": {}},
    ]
    assert build(SpokenDaemon(steps)) == [f"Step 1/2 : {RUN}", "WARNING: old", "and more"]


def test_step_that_fails_is_told_with_the_end_of_what_the_build_said() -> None:
    text = failed(
        *({"stream": f"line {number}\n"} for number in range(30)),
        {"stream": " ---> Running in 21e4cf1ad364\n"},
        {"stream": "Removing intermediate container 21e4cf1ad364\n"},
        {"error": "The command 'x' returned a non-zero code: 2", "errorDetail": {"code": 2}},
    )
    first, *tail = text.splitlines()
    assert first.startswith("the image 'mine:1' cannot be built: The command 'x' returned a non-zero code: 2;")
    assert tail == [f"  line {number}" for number in range(10, 30)], "what the daemon does around steps is no help"


def test_packages_that_pip_cannot_install_are_named_and_not_the_program_that_calls_it() -> None:
    error = f"The command 'python3 -c {module._INSTALL} no-such==1' returned a non-zero code: 1"
    text = failed({"stream": "ERROR: No matching distribution\n"}, {"error": error, "errorDetail": {"code": 1}})
    assert "cannot be built: pip cannot install no-such==1 (exit code 1); where there is no network" in text
    assert "import" not in text and text.endswith("\n  ERROR: No matching distribution")


def test_tag_that_is_none_is_refused_as_an_error_of_ours() -> None:
    import docker

    with contextlib.closing(docker.DockerClient(base_url="unix:///no/such.sock", version="1.41")) as client:
        daemon = SpokenDaemon()
        daemon.client = client
        with pytest.raises(DeployError, match="the image 'Bad Tag' cannot be built: invalid tag 'Bad Tag'"):
            build(daemon, ModelImage("Bad Tag", "base:1"))


def test_image_of_this_machine_is_handed_over_again_only_if_something_in_it_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = [b"one"]

    def write(file: IO[bytes], distributions: Sequence[str], say: object) -> None:
        file.write(content[0])

    monkeypatch.setattr(module, "write_base_image", write)
    daemon: Any = SpokenDaemon()
    said: list[str] = []
    for tag in ("localhost:5000/base", "localhost:5000/base:latest"):
        assert build_base_image(daemon, tag, (), said.append) == 7
    assert len(daemon.imported) == 1 and said[-1] == "nothing has changed since it was made"
    build_base_image(daemon, "localhost:5000/base:2", (), said.append)
    content[0] = b"two"
    build_base_image(daemon, "localhost:5000/base", (), said.append)
    assert len(daemon.imported) == 3
