"""What made the code that was counted: figures of two toolchains are not to be compared."""

from __future__ import annotations

import ctypes
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

_COMPILER = re.compile(rb"(GCC: \([^)]*\) [\d.]+|clang version [\d.]+)")


def compiler_of(module: Path) -> str:
    """Read which compiler built a shared object, from its .comment section; "unknown" if that was stripped."""
    match = _COMPILER.search(module.read_bytes())
    return match[1].decode() if match else "unknown"


def toolchain(module: Path) -> dict[str, str]:
    """Name and version of everything whose code is part of the count.

    Parameters
    ----------
    module : Path
        A compiled module of the core.
    """
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "machine": platform.machine(),
        "compiler": compiler_of(module),
        "python": f"{platform.python_version()}, {platform.python_compiler()}",
        "libc": " ".join(platform.libc_ver()),
        "libstdc++": _libstdcxx(),
        "httptools": version("httptools"),
        "valgrind": valgrind.removeprefix("valgrind-"),
    }


def _libstdcxx() -> str:
    """The file's own name has its version: libstdc++.so.6 leads to libstdc++.so.6.0.30."""
    ctypes.CDLL("libstdc++.so.6")
    for line in Path("/proc/self/maps").read_text().splitlines():
        name = line.rsplit("/", 1)[-1]
        if name.startswith("libstdc++.so"):
            return name.removeprefix("libstdc++.so.")
    return "unknown"


def differences(recorded: dict[str, str], present: dict[str, str]) -> list[str]:
    """Say in what two toolchains differ, one line each."""
    names = dict.fromkeys([*recorded, *present])
    return [
        f"{name}: recorded with {recorded.get(name, 'nothing')}, here {present.get(name, 'nothing')}"
        for name in names
        if recorded.get(name) != present.get(name)
    ]
