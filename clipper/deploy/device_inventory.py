"""Which devices this machine has: as it is configured, or as NVIDIA's driver tells."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from clipper.deploy.device_environment import VISIBLE_DEVICES
from clipper.deploy.devices import Device

NONE: Final = "none"  # in place of names: no device at all
_LISTER: Final = "nvidia-smi"
_LIST_LIMIT_S: Final = 20.0  # without the driver's persistence mode each device takes about a second
_DEVICE: Final = re.compile(r"GPU (\d+): (.*) \(UUID: ([^)\s]+)\)")
_PART: Final = re.compile(r"\s+MIG (.*?)\s+Device\s+\d+: \(UUID: ([^)\s]+)\)")
_logger = logging.getLogger(__name__)
Listing = Mapping[str, Sequence[Device]]  # by number: a device, or, if it is divided (MIG), its parts


def find_devices(configured: Sequence[str], environment: Mapping[str, str] = os.environ) -> tuple[Device, ...]:
    """Return the devices that replicas may use.

    Parameters
    ----------
    configured : sequence of str
        ``management.gpu_devices``: UUIDs, or the numbers that ``nvidia-smi`` shows, which are taken as they are where
        it is not there. Empty: all that it lists, or those of them that ``CUDA_VISIBLE_DEVICES`` names.
    """
    if list(configured) == [NONE]:
        return ()
    listing = parse_listing(_list_devices(environment))
    if configured:
        return _named(configured, listing, keeps_unknown=True)
    visible = environment.get(VISIBLE_DEVICES)
    if visible is not None:
        return _named([name.strip() for name in visible.split(",")], listing, keeps_unknown=False)
    return tuple(device for devices in listing.values() for device in devices)


def parse_listing(text: str) -> Listing:
    """Return the devices in what ``nvidia-smi -L`` prints; lines of another form are passed over."""
    wholes: dict[str, Device] = {}
    parts: dict[str, list[Device]] = {}
    number = ""
    for line in text.splitlines():
        if whole := _DEVICE.fullmatch(line.rstrip()):
            number = whole[1]
            wholes[number] = Device(whole[3], whole[2])
        elif number and (part := _PART.fullmatch(line.rstrip())):
            parts.setdefault(number, []).append(Device(part[2], f"{wholes[number].name} MIG {part[1]}"))
    return {number: parts.get(number, [device]) for number, device in wholes.items()}


def _named(names: Sequence[str], listing: Listing, *, keeps_unknown: bool) -> tuple[Device, ...]:
    """Return the devices of these names, each once, in this order."""
    found: dict[str, Device] = {}
    for name in names:
        devices = _find(name, listing)
        if not devices and not keeps_unknown:
            break  # as CUDA reads its variable: what follows a name that it does not know does not count
        if not devices:
            if listing:
                _logger.warning("there is no device %r here that nvidia-smi lists: it is used as it is named", name)
            devices = (Device(name),)
        found |= {device.device_id: device for device in devices}
    return tuple(found.values())


def _find(name: str, listing: Listing) -> Sequence[Device]:
    """Return the devices of a number, or the one whose UUID begins like this."""
    if name in listing:
        return listing[name]
    alike = [device for devices in listing.values() for device in devices if device.device_id.startswith(name)]
    return alike if name and len(alike) == 1 else ()


def _list_devices(environment: Mapping[str, str]) -> str:
    program = shutil.which(_LISTER, path=environment.get("PATH"))
    if program is None:
        return ""
    try:
        listed = subprocess.run(
            [program, "-L"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_LIST_LIMIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        _logger.warning("the devices of this machine are not known: %s", error)
        return ""
    if listed.returncode != 0:
        said = (listed.stdout + listed.stderr).strip().partition("\n")[0]
        _logger.warning("the devices of this machine are not known: %s -L says %r", program, said)
        return ""
    return listed.stdout
