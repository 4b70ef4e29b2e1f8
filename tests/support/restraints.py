"""Run a test's child under rules that root is not above: file permissions, and a disk that is small."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

_MOUNT_PROBE = "unshare --user --map-root-user --mount mount -t tmpfs tmpfs /mnt"
needs_own_mounts = pytest.mark.needs_kernel_rights("mounting in a user namespace", _MOUNT_PROBE)


def obeying_permissions(argv: Sequence[str]) -> list[str]:
    """Return ``argv`` so that it is bound by the permissions of files, whoever runs it."""
    if os.geteuid() != 0:
        return list(argv)
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", *argv]


def on_small_disk(argv: Sequence[str], directory: str, size_bytes: int) -> list[str]:
    """Return ``argv`` so that it finds a file system of ``size_bytes`` at ``directory``; see `needs_own_mounts`."""
    mount = f'mount -t tmpfs -o size={size_bytes} tmpfs "$0" && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, directory, *argv]
