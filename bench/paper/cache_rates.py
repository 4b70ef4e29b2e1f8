"""The prediction cache: how the rate within the objective grows with the share of queries that were asked before.

(Section 4.2 and an unpublished sweep in the authors' raw data, on a linear SVM in Spark.) Hot queries are a few
inputs asked again and again, cold ones have never been asked; how many hit is read off the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bench.lines import SLO_US, SPARK, Line
from bench.loadgen.request import Body, CounterForm, RequestTemplate
from bench.paper.probes import ANSWERED, JSON, Probe, Prober, Sustained, Target, search
from bench.paper.stage import Stage

PER_ITEM_FACTOR: Final = 20.0
"""On the cost per item of the paper's line: at 90% hits two cores still serve ten times what the container does."""
CONTAINER: Final = Line("spark-slow", SPARK.base_us, SPARK.per_item_us * PER_ITEM_FACTOR)
TENTHS: Final = (0, 5, 8, 9, 10)  # of the queries that hit
QUICK_TENTHS: Final = (0, 9)
MACHINE_GUESS_PER_S: Final = 30_000.0  # of hits alone, client included
JUDGED_TENTHS: Final = 9
LEAST_GAIN: Final = 8.0  # in rate at nine hits in ten; ten if the container were all there is
HIT_TOLERANCE: Final = 0.02
NAME: Final = "cached"


@dataclass(frozen=True)
class Row:
    """One share of hot queries."""

    tenths: int
    sustained: Sustained

    @property
    def probe(self) -> Probe | None:
        """The run at the rate that was found."""
        return self.sustained.shown_by

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Row:
        """Read what `dataclasses.asdict` wrote."""
        sustained = dict(content["sustained"])
        sustained["shown_by"] = Probe(**sustained["shown_by"]) if sustained["shown_by"] else None
        return cls(content["tenths"], Sustained(**sustained))


@dataclass(frozen=True)
class CacheRates:
    """The whole sweep."""

    slo_us: int
    rows: list[Row]
    is_judged: bool

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> CacheRates:
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{**content, "rows": [Row.from_json(row) for row in content["rows"]]})

    def gain(self, row: Row) -> float | None:
        """Return the rate over that without a hit."""
        alone = self.rows[0].sustained.rate_per_s
        return row.sustained.rate_per_s / alone if alone else None

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised."""
        found = []
        for row in self.rows:
            if row.probe and abs(row.probe.hit_ratio - row.tenths / 10) > HIT_TOLERANCE:
                found.append(f"{row.probe.hit_ratio:.0%} of the queries hit, {row.tenths * 10}% were to")
            gain = self.gain(row)
            if self.is_judged and row.tenths == JUDGED_TENTHS and (gain is None or gain < LEAST_GAIN):
                found.append(f"at {row.tenths * 10}% hits the rate is {gain or 0:.1f}x, the bar is {LEAST_GAIN:g}x")
        return found


def mixed_target(application: str, tenths: int) -> Target:
    """Return queries of which so many of ten repeat: their counter stands in a key that the server ignores."""
    hot = [Body(b'{"input":[%d,2.5,3.5,4.5],"n":' % number, b"}") for number in range(tenths)]
    cold = [Body(b'{"input":[', b'.5,2.5,3.5,4.5],"n":0}')] * (10 - tenths)
    template = RequestTemplate(f"/{application}/predict", JSON, (*hot, *cold), CounterForm.DIGITS)
    return Target(application, application, SLO_US, template, ANSWERED)


def measure(stage: Stage) -> CacheRates:
    """Search the rate at each share of hot queries."""
    stage.deploy_line(NAME, CONTAINER)
    stage.register(NAME, [NAME], {"name": "static"}, SLO_US, 4)
    seconds, max_runs = (2.0, 6) if stage.is_full else (0.5, 1)
    base, rows = CONTAINER.two_batch_rate_per_s() if stage.is_full else 150.0, []
    with Prober(stage) as prober:
        for tenths in TENTHS if stage.is_full else QUICK_TENTHS:
            target = mixed_target(NAME, tenths)
            prober.probe(target, min(1_000.0, base), 0.3)  # the hot ones are in the cache from here on

            def at(rate: float, seed: int, target: Target = target) -> Probe:
                return prober.probe(target, rate, seconds, seed)

            guess = 0.9 * base * 10 / (10 - tenths) if tenths < 10 else MACHINE_GUESS_PER_S
            found = search(at, guess, max_runs)
            stage.tell(f"{tenths * 10}% hot: {found.rate_per_s:,.0f}/s sustained")
            rows.append(Row(tenths, found))
    return CacheRates(SLO_US, rows, is_judged=stage.is_full)
