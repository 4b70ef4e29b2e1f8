"""Containers that the caller brings along."""

from __future__ import annotations

import pytest

from clipper.deploy.containers import to_programs
from clipper.errors import InvalidArgumentError


def test_own_container_is_a_program_and_its_arguments() -> None:
    assert to_programs({"doubler": ["python", "doubler.py"]}) == {"doubler": ("python", "doubler.py")}
    assert to_programs({}) == {}


@pytest.mark.parametrize("argv", ["python doubler.py", [], ["python", 3]])
def test_own_container_that_is_no_list_of_words_is_refused(argv: list[str]) -> None:
    with pytest.raises(InvalidArgumentError, match="the container 'doubler' is"):
        to_programs({"doubler": argv})
