"""NVIDIA's run-time compiler without a device: the library from the wheel ``nvidia-cuda-nvrtc``, called by ctypes."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from pathlib import Path
from typing import Final

NVRTC: Final = ("nvidia", "python -m pip install 'nvidia-cuda-nvrtc>=12'")
"""Arguments of ``pytest.mark.optional``."""


@cache
def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("nvidia")
    places = spec.submodule_search_locations if spec else None
    found = sorted(library for place in places or () for library in Path(place).rglob("libnvrtc.so*"))
    if not found:
        raise AssertionError(f"no libnvrtc.so below {list(places or ())}; {NVRTC[1]}")
    # It opens libnvrtc-builtins by its bare name, which works once that is loaded.
    for builtins in found[-1].parent.glob("libnvrtc-builtins.so*"):
        ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(found[-1]))
    library.nvrtcGetErrorString.restype = ctypes.c_char_p
    return library


def _check(result: int) -> None:
    if result != 0:
        raise AssertionError(f"nvrtc: {_library().nvrtcGetErrorString(result).decode()}")


def compile_to_cubin(source: str, architecture: str, *options: str) -> bytes:
    """Return machine code for an architecture such as ``sm_90``; warnings are errors.

    Raises
    ------
    AssertionError
        It does not compile; carries the compiler's log.
    """
    nvrtc, program = _library(), ctypes.c_void_p()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None))
    try:
        flags = [f"--gpu-architecture={architecture}", "--std=c++17", "-Werror", "all-warnings", *options]
        encoded = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
        if nvrtc.nvrtcCompileProgram(program, len(flags), encoded) != 0:
            raise AssertionError(f"for {architecture}:\n{_log(program)}\n{source}")
        size = ctypes.c_size_t()
        _check(nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        cubin = ctypes.create_string_buffer(size.value)
        _check(nvrtc.nvrtcGetCUBIN(program, cubin))
        return cubin.raw
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _log(program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _check(_library().nvrtcGetProgramLogSize(program, ctypes.byref(size)))
    log = ctypes.create_string_buffer(size.value)
    _check(_library().nvrtcGetProgramLog(program, log))
    return log.value.decode()
