"""What a version asks of the devices of this machine: whether it can ever have it, and what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clipper.deploy.devices import Demand, Device, DeviceLedger, amount_text, most_replicas, place
from clipper.deploy.resources import Resources, gpus_of
from clipper.errors import ConflictError, InvalidArgumentError
from clipper.types import ModelId

WAITING_HINT: Final = "scale or delete what holds the devices, or ask for fewer"
_NONE_HINT: Final = (
    "`nvidia-smi -L`, where Clipper runs, lists those that it finds by itself; management.gpu_devices names others"
)


def demand_of(resources: Resources, is_deployed: bool) -> Demand | None:
    """Return what each replica of a version asks for; None if nothing, or nothing that can be understood."""
    try:
        gpus = gpus_of(resources)
    except InvalidArgumentError:  # stored by a version of Clipper that left such amounts to Docker, or to nobody
        return None
    return Demand(gpus, is_deployed) if gpus else None


def check_fits(model_id: ModelId, resources: Resources, replicas: int, devices: Sequence[Device]) -> None:
    """Refuse what this machine could not hold if nobody else had a device of it.

    Raises
    ------
    InvalidArgumentError
        The amount is not valid.
    ConflictError
        There are not enough devices.
    """
    gpus = gpus_of(resources)
    if not gpus:
        return
    most = most_replicas(len(devices), gpus)
    if replicas <= most:
        return
    each = " each" if replicas > 1 else ""
    has = f"has {_counted(len(devices))}: {', '.join(one.device_id for one in devices)}" if devices else "has none"
    raise ConflictError(
        f"{model_id} asks for {replicas} replica{'s' * (replicas > 1)} with gpus={amount_text(gpus)}{each}, and this "
        f"machine {has}",
        hint=f"it can have at most {most} such replica{'s' * (most > 1)}" if most else "" if devices else _NONE_HINT,
    )


def waiting_text(count: int, resources: Resources, ledger: DeviceLedger) -> str:
    """Return what so many replicas wait for, and who has it."""
    gpus = gpus_of(resources)
    what = "a device" if gpus == 1 else _counted(int(gpus)) if gpus > 1 else f"{amount_text(gpus)} of a device"
    waits = f"{count} replicas wait for {what} each" if count > 1 else f"1 replica waits for {what}"
    is_kept = place(ledger.room().device_ids, ledger.room().held, gpus) is not None
    return f"{waits}: {ledger.describe()}{', and kept for a replica that is started again' if is_kept else ''}"


def _counted(count: int) -> str:
    return f"{count} device{'s' * (count != 1)}"
