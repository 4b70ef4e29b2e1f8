"""What a model version asks for, by name: the amounts that managers of containers understand."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from clipper.deploy.containers import THREAD_VARIABLES
from clipper.errors import InvalidArgumentError

CPU: Final = "cpu"
MEMORY: Final = "memory"
GPU: Final = "nvidia.com/gpu"
_NUMBER: Final = r"(\d{1,16}(?:\.\d{1,9})?)"
_CPU_FORM: Final = re.compile(_NUMBER + "(m?)")
_MEMORY_FORM: Final = re.compile(_NUMBER + "([a-zA-Z]{0,2})")
# Kubernetes' units, and Docker's letters, which mean powers of 1024.
_UNITS: Final = {
    "": 1,
    **{f"{letter}i": 1024**power for power, letter in enumerate("KMGTP", 1)},
    **{letter: 1000**power for power, letter in enumerate("kMGTP", 1)},
    **{letter: 1024**power for power, letter in enumerate("bkmg") if letter != "k"},
}
Resources = Mapping[str, int | str]


def thread_environment(resources: Resources) -> dict[str, str]:
    """Return the sizes of thread pools for an amount of ``cpu``; none if it is not one."""
    try:
        cpus = cpus_of(resources)
    except InvalidArgumentError:
        return {}
    return dict.fromkeys(THREAD_VARIABLES, str(math.ceil(cpus))) if cpus else {}


def cpus_of(resources: Resources) -> Fraction:
    """Return the processors asked for: 2, "1.5" or "1500m" (thousandths); 0 if none are.

    Raises
    ------
    InvalidArgumentError
        It is no such amount.
    """
    if CPU not in resources:
        return Fraction(0)
    found = _CPU_FORM.fullmatch(str(resources[CPU]))
    cpus = Fraction(found[1]) / (1000 if found[2] else 1) if found else Fraction(0)
    if not cpus:
        raise _refused(CPU, resources, 'a number of processors above 0, such as 2, "1.5" or "1500m"')
    return cpus


def memory_bytes_of(resources: Resources) -> int:
    """Return the memory asked for: bytes, "512Mi", "1.5G" or, as Docker writes it, "512m"; 0 if none is.

    Raises
    ------
    InvalidArgumentError
        It is no such amount.
    """
    if MEMORY not in resources:
        return 0
    found = _MEMORY_FORM.fullmatch(str(resources[MEMORY]))
    size_bytes = int(Fraction(found[1]) * _UNITS[found[2]]) if found and found[2] in _UNITS else 0
    if not size_bytes:
        raise _refused(MEMORY, resources, 'bytes, or an amount such as "512Mi" or "1.5G"')
    return size_bytes


def gpus_of(resources: Resources) -> int:
    """Return the number of GPUs asked for.

    Raises
    ------
    InvalidArgumentError
        It is no whole number.
    """
    text = str(resources.get(GPU, 0))
    if not re.fullmatch(r"\d{1,4}", text):
        raise _refused(GPU, resources, "a whole number of devices")
    return int(text)


def _refused(name: str, resources: Resources, expected: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"the resource {name}={resources[name]!r} is not valid: expected {expected}")
