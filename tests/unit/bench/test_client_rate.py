"""The comparison of the load client with wrk."""

from __future__ import annotations

from bench.client_rate import GeneratorRate, report


def test_ratio_is_the_median_of_the_rounds_per_cpu_second() -> None:
    wrk = GeneratorRate(100.0, 1_000.0)
    rounds = [(wrk, GeneratorRate(90.0, 850.0)), (wrk, GeneratorRate(50.0, 500.0)), (wrk, GeneratorRate(110.0, 900.0))]
    text, ratio = report(rounds)
    assert ratio == 0.85
    assert text.splitlines()[1].split() == ["per", "s", "100", "90", "0.90"]
    assert text.splitlines()[2].split() == ["per", "cpu", "s", "1,000", "850", "0.85"]
