"""Containers that the caller brings along."""

from __future__ import annotations

import pytest

from clipper.deploy.containers import container_argv, to_programs
from clipper.errors import InvalidArgumentError


def test_own_container_is_a_program_and_its_arguments() -> None:
    assert to_programs({"doubler": ["python", "doubler.py"]}) == {"doubler": ("python", "doubler.py")}
    assert to_programs({}) == {}


@pytest.mark.parametrize("argv", ["python doubler.py", [], ["python", 3]])
def test_own_container_that_is_no_list_of_words_is_refused(argv: list[str]) -> None:
    with pytest.raises(InvalidArgumentError, match="the container 'doubler' is"):
        to_programs({"doubler": argv})


@pytest.mark.parametrize("container", ["docker://", "docker:// "])
def test_container_that_names_no_image_is_refused(container: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"the container '{container}' names no image") as caught:
        container_argv(container, {})
    assert caught.value.hint == "expected docker://REPOSITORY:TAG"
