"""What tracked connections cost is measured in two networks of its own; here for a moment, to see that it works."""

from __future__ import annotations

import pytest

from bench.connection_tracking import TrackingCell, main, render


def test_medians_are_shown_for_each_network() -> None:
    cells = [
        TrackingCell(is_tracked, connections, rate, 1e6 / rate)
        for is_tracked, factor in ((False, 1.0), (True, 0.5))
        for connections in (128, 512)
        for rate in (80_000 * factor, 50_000 * factor, 40_000 * factor)
    ]
    assert render(cells).splitlines()[2:] == [
        "| 128 | no | 50,000 | 20.0 |",
        "| 128 | yes | 25,000 | 40.0 |",
        "| 512 | no | 50,000 | 20.0 |",
        "| 512 | yes | 25,000 | 40.0 |",
    ]


@pytest.mark.optional("wrk", "apt-get install -y --no-install-recommends wrk")
@pytest.mark.optional("ip", "apt-get install -y --no-install-recommends iproute2")
@pytest.mark.optional("iptables", "apt-get install -y --no-install-recommends iptables")
@pytest.mark.needs_kernel_rights(
    "NAT rules in a network namespace",
    "unshare --user --map-root-user --net iptables -t nat -A POSTROUTING -j MASQUERADE",
)
def test_both_networks_are_measured_with_every_number_of_connections(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rounds", "1", "--seconds", "1"]) == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [(row[0].strip(), row[1].strip()) for row in rows] == [
        ("128", "no"),
        ("128", "yes"),
        ("512", "no"),
        ("512", "yes"),
    ]
    assert all(float(row[2].replace(",", "")) > 100 and float(row[3]) > 0 for row in rows)
