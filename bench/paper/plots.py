"""Draws recorded figures as SVG, like the paper's. Needs matplotlib, which nothing else here does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.paper import system_plots
from bench.paper.cache_rates import CacheRates
from bench.paper.failing_model import ERROR_RATIOS
from bench.paper.feedback_rates import FeedbackRates
from bench.paper.figure_3 import Figure3
from bench.paper.figure_4 import Figure4
from bench.paper.figure_5 import Figure5
from bench.paper.figure_6 import Figure6
from bench.paper.figure_7 import Figure7
from bench.paper.figure_8 import Figure8
from bench.paper.figure_9 import Figure9
from bench.paper.figure_10 import Figure10
from bench.paper.figure_11 import Figure11
from bench.paper.records import Record

SIZE_INCHES: Final = (7.0, 3.6)


def draw_all(records: Mapping[str, Record], directory: Path) -> list[Path]:
    """Draw each record into a file of its name; returns the files.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    # Text as text, and nothing that differs between two runs: a file changes only if a figure does.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "clipper", "font.size": 9})
    from matplotlib import pyplot

    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, record in records.items():
        read, draw = _DRAWINGS[name]
        panels, axes = pyplot.subplots(1, 2 if name == "figure-8" else 1, figsize=SIZE_INCHES, squeeze=False)
        draw(read(record.result), axes[0])
        panels.tight_layout()
        file = directory / f"{name}.svg"
        panels.savefig(file, metadata={"Date": None})
        pyplot.close(panels)
        files.append(file)
    return files


def _figure_7(figure: Figure7, panels: Any) -> None:
    panel = panels[0]
    bars = [(name, group) for name, group in figure.members.items()]
    bars += [("vote", figure.vote), ("learnt", figure.learnt)]
    for least, (sure, unsure) in figure.agreement.items():
        bars += [(f"{least} agree", sure), ("others", unsure)]
    known = [(name, group.error) for name, group in bars if group.error is not None]
    panel.bar(range(len(known)), [error.mean for _, error in known], yerr=[error.half for _, error in known])
    panel.set_xticks(range(len(known)), [name for name, _ in known], rotation=30)
    panel.set_ylabel("error")


def _figure_8(figure: Figure8, panels: Any) -> None:
    errors, shares = panels
    curves = [one for one in figure.outcomes if not one.is_correlated and not one.delay]
    for one in curves:
        at = np.linspace(0, figure.queries, len(one.curve) + 1)[1:]
        mean, half = np.array(one.curve), np.nan_to_num(np.array(one.curve_half), posinf=0.0)
        errors.plot(at, mean, label=one.title.replace("`", ""))
        errors.fill_between(at, mean - half, mean + half, alpha=0.3)
    errors.axhline(min(figure.statics), color="black", linestyle=":", label="best model throughout")
    errors.axvspan(figure.fails_at, figure.recovers_at, color="gray", alpha=0.15)
    errors.set_ylim(0, 0.4)
    errors.set_xlabel("queries")
    errors.set_ylabel("cumulative error")
    errors.legend(fontsize=7)
    single = next((one for one in curves if one.shares), None)
    if single is not None:
        at = np.linspace(0, figure.queries, len(single.curve) + 1)[1:]
        labels = [f"error {ratio}" for ratio in ERROR_RATIOS]
        shares.stackplot(at, single.shares, labels=labels)
        shares.set_title(f"who answers: {single.title.replace('`', '')}", fontsize=9)
        shares.set_xlabel("queries")
        shares.legend(fontsize=7, loc="lower right")


def _figure_9(figure: Figure9, panels: Any) -> None:
    panel = panels[0]
    sizes = sorted({row.members for row in figure.rows})
    for way in dict.fromkeys(row.way for row in figure.rows):
        rows = [row for row in figure.rows if row.way == way]
        title = rows[0].title.replace("`", "")
        at = [sizes.index(row.members) for row in rows]
        panel.plot(at, [row.p99_us / 1e3 for row in rows], marker="o", label=f"{title}: p99")
        panel.plot(at, [row.mean_us / 1e3 for row in rows], marker="o", linestyle="--", label=f"{title}: mean")
    panel.axhline(figure.slo_us / 1e3, color="black", linestyle=":", label="objective")
    panel.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    panel.set_xlabel("members")
    panel.set_ylabel("ms")
    panel.set_ylim(bottom=0)
    panel.legend(fontsize=7)


def _figure_10(figure: Figure10, panels: Any) -> None:
    panel = panels[0]
    at = range(figure.feedbacks + 1)
    for line in (figure.everybody, figure.own):
        panel.axhline(line.errors[0], linestyle=":", color="black" if line is figure.own else "gray", label=line.title)
    for line in figure.learners:
        panel.errorbar(at, line.errors, yerr=line.halves, capsize=2, label=line.title.replace("`", ""))
    panel.set_xlabel("labels from this user")
    panel.set_ylabel("error")
    panel.set_ylim(bottom=0)
    panel.legend(fontsize=7)


_DRAWINGS: Final[Mapping[str, tuple[Callable[[dict[str, Any]], Any], Callable[[Any, Any], None]]]] = {
    "figure-3": (Figure3.from_json, system_plots.figure_3),
    "figure-4": (Figure4.from_json, system_plots.figure_4),
    "figure-5": (Figure5.from_json, system_plots.figure_5),
    "figure-6": (Figure6.from_json, system_plots.figure_6),
    "figure-7": (Figure7.from_json, _figure_7),
    "figure-8": (Figure8.from_json, _figure_8),
    "figure-9": (Figure9.from_json, _figure_9),
    "figure-10": (Figure10.from_json, _figure_10),
    "figure-11": (Figure11.from_json, system_plots.figure_11),
    "cache": (CacheRates.from_json, system_plots.cache_rates),
    "feedback": (FeedbackRates.from_json, system_plots.feedback_rates),
}
