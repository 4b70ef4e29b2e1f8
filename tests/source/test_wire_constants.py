"""The C++ schema says what ``model_containers/wire.py`` says, and nothing in the containers imports ``clipper``."""

from __future__ import annotations

import enum
import subprocess
import sys
from typing import Any

from clipper._core import rpc_codec
from model_containers import wire

SCHEMA: dict[str, Any] = rpc_codec.schema()


def members(kind: type[enum.IntEnum] | type[enum.IntFlag]) -> dict[str, int]:
    return {member.name or "": int(member) for member in kind}


def test_cpp_header_fields_lie_where_the_wire_schema_puts_them() -> None:
    assert SCHEMA["magic"] == wire.MAGIC
    assert SCHEMA["version"] == wire.VERSION
    assert SCHEMA["header_bytes"] == wire.HEADER_BYTES
    assert SCHEMA["prefix_bytes"] == wire.PREFIX.size
    assert SCHEMA["offsets"] == wire.FIELD_OFFSETS


def test_cpp_enumerations_equal_the_wire_schema() -> None:
    assert SCHEMA["types"] == members(wire.MessageType)
    assert SCHEMA["flags"] == members(wire.Flag)
    assert SCHEMA["error_codes"] == members(wire.ErrorCode)
    assert SCHEMA["statuses"] == members(wire.WireStatus)
    assert SCHEMA["input_types"] == members(wire.InputType)


def test_cpp_dtypes_have_the_names_and_sizes_of_the_wire_schema() -> None:
    assert {"NONE": 0, **SCHEMA["dtypes"]} == members(wire.DType)
    assert SCHEMA["dtype_bytes"] == [wire.DTYPE_BYTES[dtype] for dtype in wire.DType]


def test_cpp_allowed_flags_equal_the_wire_schema() -> None:
    assert SCHEMA["allowed_flags"] == [int(wire.ALLOWED_FLAGS[kind]) for kind in wire.MessageType]


def test_cpp_limits_equal_the_wire_schema() -> None:
    limits = ("MAX_ITEMS", "MAX_RANK", "MAX_JSON_DEPTH", "MAX_CAUSE_BYTES", "MAX_REGISTER_BYTES")
    assert SCHEMA["limits"] == {name: getattr(wire, name) for name in limits}


def test_container_start_bounds_blas_threads_before_numpy_is_loaded() -> None:
    kinds = ("noop", "sum", "sklearn", "python_function", "simulated")
    imports = "".join(f"import model_containers.{kind}\n" for kind in kinds)
    program = f"""
import os, sys
os.environ.pop("OMP_NUM_THREADS", None)
{imports}assert "numpy" not in sys.modules
from model_containers import serve
assert os.environ["OMP_NUM_THREADS"] == "1" and "numpy" in sys.modules
assert not [name for name in sys.modules if name.split(".")[0] in ("clipper", "sklearn", "cloudpickle", "joblib")]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
