"""What a replica is told of its devices: by its environment, and, in Docker, by what its container is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clipper.deploy.devices import Grant, amount_text
from clipper.deploy.resources import GPU, Resources, refuses_gpus
from clipper.errors import InvalidArgumentError

VISIBLE_DEVICES: Final = "CUDA_VISIBLE_DEVICES"
DEVICE: Final = "CLIPPER_GPU_DEVICE"
MEMORY_RATIO: Final = "CLIPPER_GPU_MEMORY_RATIO"
# What NVIDIA's runtime for Docker reads; images may set it to "all".
_RUNTIME_DEVICES: Final = "NVIDIA_VISIBLE_DEVICES"


def default_variables(grant: Grant | None) -> dict[str, str]:
    """Return what a replica with devices is told unless its version's own environment says otherwise."""
    if grant is None:
        return {}
    if grant.share == 1:
        return {DEVICE: "cuda"}
    ratio = amount_text(grant.share)
    # What cupy and JAX read of themselves, in models that know nothing of Clipper.
    own = {"CUPY_GPU_MEMORY_LIMIT": f"{float(grant.share):.2%}", "XLA_PYTHON_CLIENT_MEM_FRACTION": ratio}
    return {DEVICE: "cuda", MEMORY_RATIO: ratio, **own}


def process_variables(grant: Grant | None, resources: Resources) -> dict[str, str]:
    """Return what lets a process see its devices and no other, whatever else its environment says.

    A version that has said nothing of devices sees what Clipper itself sees; one that asks for 0 sees none.
    """
    if grant is None:
        return {VISIBLE_DEVICES: ""} if refuses_gpus(resources) else {}
    variables = {VISIBLE_DEVICES: ",".join(grant.device_ids)}
    if any(device_id.isdecimal() for device_id in grant.device_ids):
        variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # CUDA's own order, the fastest first, is not nvidia-smi's
    return variables


def container_variables(grant: Grant | None, resources: Resources) -> dict[str, str]:
    """Return the same for a Docker container: it has only the devices it was given, numbered from 0."""
    if grant is None and refuses_gpus(resources):
        return {VISIBLE_DEVICES: "", _RUNTIME_DEVICES: "void"}
    return {}


def device_requests(grant: Grant) -> list[dict[str, Any]]:
    """Return what Docker is asked for."""
    return [{"Driver": "nvidia", "DeviceIDs": list(grant.device_ids), "Capabilities": [["gpu"]]}]


def check_variables(environment: Mapping[str, str], resources: Resources) -> None:
    """Refuse an environment that chooses devices for a version whose devices Clipper chooses.

    Raises
    ------
    InvalidArgumentError
        It does.
    """
    if VISIBLE_DEVICES in environment and GPU in resources:
        raise InvalidArgumentError(
            f"a version that says gpus= cannot set {VISIBLE_DEVICES}: Clipper sets it, for each replica",
            hint="leave one of them out",
        )
