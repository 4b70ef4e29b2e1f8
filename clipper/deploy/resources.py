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
MAX_GPUS: Final = 256  # of one replica
MIN_GPU_SHARE: Final = Fraction(1, 100)
_GPU_DECIMALS: Final = 4  # as Ray has them: three shares of 0.3333 fit on a device
_GPU_FORM: Final = re.compile(r"\d{1,4}(\.\d{1,4})?")
_GPU_EXPECTED: Final = f"a number of whole devices up to {MAX_GPUS}, or a share of one device from 0.01 to 0.99"
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


def gpus_of(resources: Resources) -> Fraction:
    """Return the devices asked for: a whole number, or a share of one; 0 if none are.

    Raises
    ------
    InvalidArgumentError
        It is no such amount.
    """
    if GPU not in resources:
        return Fraction(0)
    text = str(resources[GPU])
    gpus = Fraction(text) if _GPU_FORM.fullmatch(text) else Fraction(-1)
    if not _is_gpu_amount(gpus):
        raise _refused(GPU, resources, _GPU_EXPECTED)
    return gpus


def refuses_gpus(resources: Resources) -> bool:
    """Return whether no device at all is asked for, in so many words."""
    try:
        return GPU in resources and gpus_of(resources) == 0
    except InvalidArgumentError:
        return False


def with_gpus(resources: Resources, gpus: float | None) -> dict[str, int | str]:
    """Return the resources with ``gpus``, which is a short way to write the resource ``nvidia.com/gpu``.

    Parameters
    ----------
    gpus : int or float, optional
        Whole devices, or a share of one, of which decimals behind the fourth are cut off; None: nothing is said.

    Raises
    ------
    InvalidArgumentError
        It is no such amount, or the resources have one, too.
    """
    if gpus is None:
        gpus_of(resources)
        return dict(resources)
    if GPU in resources:
        raise InvalidArgumentError(f"gpus={gpus!r} and the resource {GPU} say the same", hint="leave one of them out")
    is_number = type(gpus) in (int, float) and math.isfinite(gpus)
    amount = Fraction(math.floor(Fraction(str(gpus)) * 10**_GPU_DECIMALS), 10**_GPU_DECIMALS) if is_number else None
    if amount is None or not _is_gpu_amount(amount) or (gpus > 0 and amount == 0):
        raise InvalidArgumentError(f"gpus={gpus!r} is not valid: expected {_GPU_EXPECTED}")
    return {**resources, GPU: int(amount) if amount.denominator == 1 else f"{float(amount):g}"}


def _is_gpu_amount(gpus: Fraction) -> bool:
    return gpus == 0 or MIN_GPU_SHARE <= gpus <= 1 - MIN_GPU_SHARE or (gpus.denominator == 1 and 1 <= gpus <= MAX_GPUS)


def _refused(name: str, resources: Resources, expected: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"the resource {name}={resources[name]!r} is not valid: expected {expected}")
