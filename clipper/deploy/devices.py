"""Which replica has which accelerators: best-fit placement that never gives away more than there is; no device needed.

As in Ray, an amount below 1 is a share of one device and larger ones are whole devices; as in Kubernetes, whole ones
are nobody else's. A grant lasts as long as the replica's process: nobody is moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from clipper.types import ReplicaId

_WHOLE: Final = Fraction(1)
_SHARE: Final = re.compile(r"1|0\.\d{1,4}")


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator that replicas may use.

    Parameters
    ----------
    device_id : str
        As ``CUDA_VISIBLE_DEVICES`` and Docker name it: a UUID, or a number in the order of the bus.
    name : str
        For people; empty if nobody has told it.
    """

    device_id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one replica has: ``share`` of the memory of each device; below 1 there is one device."""

    device_ids: tuple[str, ...]
    share: Fraction = _WHOLE

    def __str__(self) -> str:
        """Return the form that supervisors and labels keep: ``GPU-a,GPU-b@1``, ``GPU-a@0.5``."""
        return f"{','.join(self.device_ids)}@{amount_text(self.share)}"

    @classmethod
    def parse(cls, text: str) -> Grant | None:
        """Undo `__str__`; None if it is no such text."""
        names, _, share = text.rpartition("@")
        if not _SHARE.fullmatch(share):
            return None
        grant = cls(tuple(names.split(",")), Fraction(share))
        is_sound = all(grant.device_ids) and 0 < grant.share <= 1 and (grant.share == 1 or len(grant.device_ids) == 1)
        return grant if is_sound else None


@dataclass(frozen=True, slots=True)
class Demand:
    """What each replica of a version asks for; those of deployed versions come first."""

    gpus: Fraction
    is_deployed: bool = True


def amount_text(gpus: Fraction) -> str:
    """Return an amount as people write it: 2, 0.5."""
    return f"{float(gpus):g}"


def free_shares(device_ids: Sequence[str], held: Iterable[Grant]) -> dict[str, Fraction]:
    """Return what is left of each device, in the order of the devices; other devices are left out."""
    free = dict.fromkeys(device_ids, _WHOLE)
    for grant in held:
        for device_id in grant.device_ids:
            if device_id in free:
                free[device_id] = max(Fraction(0), free[device_id] - grant.share)
    return free


def place(device_ids: Sequence[str], held: Iterable[Grant], gpus: Fraction) -> Grant | None:
    """Return where an amount goes, or None if it does not fit now.

    A share goes to the fullest device that has room, so that whole devices stay whole; equals go by their order.
    """
    free = free_shares(device_ids, held)
    if gpus < 1:
        fitting = [device_id for device_id in device_ids if free[device_id] >= gpus]
        return Grant((min(fitting, key=free.__getitem__),), gpus) if fitting else None
    whole = [device_id for device_id in device_ids if free[device_id] == 1]
    return Grant(tuple(whole[: int(gpus)])) if len(whole) >= gpus else None


def most_replicas(device_count: int, gpus: Fraction) -> int:
    """Return how many replicas of an amount above 0 so many devices hold when nobody else has any."""
    return device_count * int(1 / gpus) if gpus < 1 else device_count // int(gpus)


@dataclass(slots=True)
class Room:
    """A draft of what is to be given away: taking from it changes nothing else."""

    device_ids: tuple[str, ...] = ()
    held: list[Grant] = field(default_factory=list)

    def take(self, gpus: Fraction) -> Grant | None:
        """Place an amount, and count it as taken from now on."""
        grant = place(self.device_ids, self.held, gpus)
        if grant is not None:
            self.held.append(grant)
        return grant


class DeviceLedger:
    """Who holds what. Written by the fleet, which gives away what `reconcile` has placed."""

    def __init__(self, devices: Sequence[Device] = ()) -> None:
        self.devices = tuple(devices)
        self._grants: dict[ReplicaId, Grant] = {}

    def hold(self, replica_id: ReplicaId, grant: Grant) -> None:
        """Note a grant: given now, or found with a replica that ran before this process."""
        self._grants[replica_id] = grant

    def release(self, replica_id: ReplicaId) -> None:
        """Take back what a replica had, if anything: its process is gone."""
        self._grants.pop(replica_id, None)

    def of(self, replica_id: ReplicaId) -> Grant | None:
        """Return what a replica has."""
        return self._grants.get(replica_id)

    def holders(self, device_id: str) -> dict[ReplicaId, Fraction]:
        """Return who holds how much of a device."""
        return {holder: grant.share for holder, grant in self._grants.items() if device_id in grant.device_ids}

    def free(self) -> dict[str, Fraction]:
        """Return what is left of each device."""
        return free_shares(self._device_ids, self._grants.values())

    def room(self) -> Room:
        """Return a draft that begins with what is held now."""
        return Room(self._device_ids, list(self._grants.values()))

    def describe(self) -> str:
        """Return who holds what, as one text for people."""
        return "; ".join(self._describe(device_id) for device_id in self._device_ids) or "this machine has no device"

    def _describe(self, device_id: str) -> str:
        holders = [
            holder if share == 1 else f"{holder} ({amount_text(share)})"
            for holder, share in sorted(self.holders(device_id).items())
        ]
        if not holders:
            return f"{device_id} is free"
        free = self.free()[device_id]
        left = f", {amount_text(free)} is free" if free else ""
        return f"{device_id} is held by {', '.join(holders)}{left}"

    @property
    def _device_ids(self) -> tuple[str, ...]:
        return tuple(device.device_id for device in self.devices)
