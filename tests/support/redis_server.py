"""A real Redis server of a test's own, where there is one."""

from __future__ import annotations

import pytest

from bench.reliability.redis_server import INSTALL, RedisServer

__all__ = ["NEEDS_REDIS", "RedisServer"]
NEEDS_REDIS = pytest.mark.optional("redis-server", INSTALL)
