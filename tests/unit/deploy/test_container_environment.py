"""What a caller may put into the environment of a container."""

from __future__ import annotations

import json

import pytest

from clipper.deploy.containers import MAX_ENVIRONMENT_BYTES, check_environment
from clipper.errors import InvalidArgumentError
from clipper.supervisor.link import MAX_LINE_BYTES


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "PATH", "CLIPPER_MODEL_PATH", "CLIPPER_RPC_KEYS", "CLIPPER_CHILD_OF", ""]
)
def test_variable_that_is_not_the_callers_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be set for a container"):
        check_environment({name: "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLIPPER_A=B", "x"),
        ("CLIPPER_RPC_KEYS=", "x"),
        ("CLIPPER_A", "x\0"),
        ("CLIPPER_\0", "x"),
        ("CLIPPER_A", "\ud800"),
    ],
)
def test_variable_that_no_environment_holds_is_refused_and_its_value_not_told(name: str, value: str) -> None:
    with pytest.raises(InvalidArgumentError, match="no environment can hold") as caught:
        check_environment({"CLIPPER_FIRST": "1", name: f"secret{value}"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("character", ["a", "\x01", "é", "😀"])
def test_largest_environment_fits_the_link_to_the_supervisor_however_it_is_escaped(character: str) -> None:
    name = "CLIPPER_LARGE"
    count = (MAX_ENVIRONMENT_BYTES - len(name) - 1) // len(character.encode())
    environment = check_environment({name: character * count})
    assert len(json.dumps(environment)) < MAX_LINE_BYTES // 2
    with pytest.raises(InvalidArgumentError, match="at most 65536 are allowed"):
        check_environment({name: character * (count + 1)})
