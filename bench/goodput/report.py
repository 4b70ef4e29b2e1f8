"""The table of the real system's sustainable rates and goodput, and the bars it is held to."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from bench.document import table
from bench.goodput.measure import CEILING_SHARE, OVERLOADS, Measured
from bench.lines import Line
from bench.simulate.report import rate

OF_SIMULATED, OF_BEST_FIXED, OF_RATE = 0.80, 0.95, 0.95
CONTROLLERS = ("aimd", "quantile")


def figures_table(runs: Iterable[Measured]) -> str:
    """Medians: what each policy sustains, what the simulator says, and goodput under overload."""
    heads = ["line", "as measured", "no batching", "two-batch rate", "best fixed size", "controller", "sustained"]
    heads += ["of the best size", "of the simulator's", *(f"goodput at {load}x" for load in OVERLOADS)]
    rows = []
    for run in runs:
        found = Line(run.line, run.measured_base_us, run.measured_per_item_us)
        asked = Line(run.line, run.base_us, run.per_item_us)
        name, best = run.best_fixed
        scaled = f" (per item x{run.factor:g})" if run.factor != 1 else ""
        none = run.rates.get("none")
        for controller in CONTROLLERS:
            sustained = median(run.rates[controller])
            rows.append([
                f"{run.line}: {asked}{scaled}", str(found), rate(median(none)) if none else "-",
                rate(found.two_batch_rate_per_s()), f"{rate(best)} ({name.removeprefix('fixed-')})",
                f"`{controller}`", f"{rate(sustained)} ({rate(min(run.rates[controller]))} to "
                f"{rate(max(run.rates[controller]))})", f"{sustained / best:.2f}" if best else "-",
                f"{sustained / run.simulated[controller]:.2f} of {rate(run.simulated[controller])}",
                *(f"{median(run.goodput_ratios(controller, load) or [0.0]):.2f}" for load in OVERLOADS),
            ])  # fmt: skip
    return table(heads, rows)


def notes(runs: Iterable[Measured]) -> str:
    """Say how it was measured, from the record."""
    lines = []
    for run in runs:
        how = (
            "rounds in turn, all policies of a round at the same time"
            if run.is_side_by_side
            else "in turn, interleaved"
        )
        plan = run.plan
        lines.append(
            f"* {run.line}: {plan['rounds']} rounds, {how}; probes of at least {plan['seconds']:g} s and "
            f"{plan['queries']:,} queries; {run.probes} probes, {run.void_probes} of them void because the client was "
            f"late. The front end's ceiling was {run.ceiling_per_s:,.0f}/s, a {CEILING_SHARE}th of it "
            f"{run.ceiling_per_s / CEILING_SHARE:,.0f}/s."
        )
    return "\n".join(lines)


def missed_bars(runs: Iterable[Measured]) -> list[str]:
    """Say which bar is missed, by line and controller."""
    missed = []
    for run in runs:
        _, best = run.best_fixed
        for controller in CONTROLLERS:
            sustained = median(run.rates[controller])
            bars = [
                ("of the simulator's rate", sustained / run.simulated[controller], OF_SIMULATED),
                ("of the best fixed size's rate", sustained / best if best else 0.0, OF_BEST_FIXED),
            ]
            bars += [
                (f"of its rate as goodput at {load}x", median(run.goodput_ratios(controller, load) or [0.0]), OF_RATE)
                for load in OVERLOADS
            ]
            missed += [
                f"{run.line}: {controller} reaches {value:.3f} {of_what}, the bar is {bar}"
                for of_what, value, bar in bars
                if value < bar
            ]
    return missed
