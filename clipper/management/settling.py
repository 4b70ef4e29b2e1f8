"""Tries again what the state store did not take, until it does."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from clipper.errors import ClipperError
from clipper.management.operations import Operations

SETTLE_INTERVAL_US: Final = 1_000_000

_logger = logging.getLogger(__name__)


async def keep_settled(operations: Operations, interval_us: int = SETTLE_INTERVAL_US) -> None:
    """Look every ``interval_us`` whether something is left to be written, and write it; until cancelled."""
    is_waiting = False
    while True:
        await asyncio.sleep(interval_us / 1e6)
        if operations.is_settled:
            continue
        try:
            await operations.settle()
        except ClipperError as error:
            if not is_waiting:
                _logger.warning("the state is not written yet, which is tried again: %s", error)
            is_waiting = True
        if operations.is_settled:
            _logger.info("the state is written again")
            is_waiting = False
