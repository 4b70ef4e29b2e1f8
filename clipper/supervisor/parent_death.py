"""Tie the life of a child to the life of the process that spawned it (Linux, prctl(2))."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def make_die_with_parent() -> Callable[[], None]:
    """Return a function for the child side of a fork: the kernel kills the child when its parent thread ends.

    Call it in the thread that will fork, and keep that thread: the kernel sends the signal when the *thread* that
    forked ends. libc is loaded here rather than in the child, which must not run the dynamic loader.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    prctl = libc.prctl
    parent_pid = os.getpid()

    def die_with_parent() -> None:
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        # The parent may have died between fork and prctl; then no signal will ever come.
        if os.getppid() != parent_pid:
            os._exit(1)

    return die_with_parent
