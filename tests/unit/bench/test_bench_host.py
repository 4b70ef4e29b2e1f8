"""What of a machine's state falsifies figures: told by machines that are in that state, and by others not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clipper.bench.machine import TRACKED, doubts_about_host

_OWN_NETWORK = ("unshare", "--user", "--map-root-user", "--net", "sh", "-c")
_ASK = "from clipper.bench.machine import tracks_connections; print(tracks_connections())"

pytestmark = [
    pytest.mark.optional("ip", "apt-get install -y --no-install-recommends iproute2"),
    pytest.mark.optional("iptables", "apt-get install -y --no-install-recommends iptables"),
    pytest.mark.needs_kernel_rights(
        "NAT rules in a network namespace",
        "unshare --user --map-root-user --net iptables -t nat -A POSTROUTING -j MASQUERADE",
    ),
]


def in_own_network(script: str, program: str) -> str:
    command = [*_OWN_NETWORK, f'ip link set lo up && {script} && exec "$@"', "sh", sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def test_connections_over_loopback_are_tracked_once_there_is_a_nat_rule_and_not_before() -> None:
    assert in_own_network("true", _ASK) == "False"
    assert in_own_network("iptables -t nat -A POSTROUTING -s 10.99.0.0/16 -j MASQUERADE", _ASK) == "True"


def test_doubts_name_nat_rules_if_the_server_is_on_this_machine() -> None:
    ask = "from clipper.bench.machine import doubts_about_host as ask; print(*ask(is_loopback={}), sep='\\n')"
    rule = "iptables -t nat -A POSTROUTING -s 10.99.0.0/16 -j MASQUERADE"
    assert TRACKED in in_own_network(rule, ask.format(True)).splitlines()
    assert TRACKED not in in_own_network(rule, ask.format(False)).splitlines()
    assert TRACKED not in in_own_network("true", ask.format(True)).splitlines()
    assert TRACKED not in doubts_about_host(is_loopback=False)
