"""The figures as Markdown tables, each with the paper's figures beside ours."""

from __future__ import annotations

from bench.document import table
from bench.paper.failing_model import BEST, FULL, oracle_ratio, phase_ratios, static_ratios
from bench.paper.figure_7 import Figure7, Group
from bench.paper.figure_8 import Figure8, Outcome
from bench.paper.figure_9 import Figure9
from bench.paper.figure_10 import Figure10, Line
from bench.paper.intervals import mean_interval
from bench.selection.worlds import PAPER_ERRORS

# Crankshaw 2017, Figure 7, CIFAR-10 (top-1 error of the ensemble of five Caffe models).
PAPER_ENSEMBLE = 0.0845
PAPER_AGREEMENT = {"4 of 5 agree": (0.0610, 0.804, 0.1807), "5 of 5 agree": (0.0235, 0.405, 0.1260)}
# Figure 10, TIMIT: error with 0, 1, ... labels of a speaker.
PAPER_LEARNT = (0.362, 0.312, 0.312, 0.309, 0.304, 0.305, 0.306, 0.302, 0.300)
PAPER_OWN, PAPER_EVERYBODY = 0.321, 0.362
# Figure 9, by size of the ensemble: mean and p99 in ms of Clipper and of waiting for all, as in the authors' raw data.
PAPER_STRAGGLERS = {
    2: ("17.0 / 17.0", "12.6 / 39.6"),
    4: ("17.0 / 17.1", "19.4 / 129"),
    8: ("17.1 / 17.5", "23.2 / 152"),
    16: ("17.6 / 23.0", "65.6 / 154"),
}


def figure_7(figure: Figure7) -> str:
    """Errors of members and ensembles, then of the sure and the unsure part."""
    best = figure.best_member
    heads = ["", "paper, CIFAR-10", "ours, noisy digits"]
    paper = sorted(PAPER_ERRORS, reverse=True)
    ours = sorted(figure.members.items(), key=lambda member: -member[1].wrong)
    rows = [
        [f"member {number}", f"{theirs:.4f}", f"{_share(group)} ({name})"]
        for number, (theirs, (name, group)) in enumerate(zip(paper, ours, strict=False), 1)
    ]
    gain = 1 - PAPER_ENSEMBLE / min(PAPER_ERRORS)
    rows += [
        ["ensemble, one member one vote", f"{PAPER_ENSEMBLE:.4f} (-{gain:.1%})", _beside(figure.vote, best)],
        ["ensemble, weights learnt by `hedge`", "-", _beside(figure.learnt, best)],
    ]
    agreement_heads = ["", "sure: error", "share of queries", "unsure: error"]
    agreement = [
        [f"paper, {name}", f"{sure:.4f}", f"{share:.1%}", f"{unsure:.4f}"]
        for name, (sure, share, unsure) in PAPER_AGREEMENT.items()
    ]
    for least, (sure, unsure) in figure.agreement.items():
        share = f"{sure.queries / figure.queries:.1%}"
        agreement.append([f"ours, {least} of {len(figure.members)} agree", _share(sure), share, _share(unsure)])
    return f"{table(heads, rows)}\n\n{table(agreement_heads, agreement)}"


def _share(group: Group) -> str:
    return "-" if group.error is None else str(group.error)


def _beside(group: Group, best: Group) -> str:
    return f"{_share(group)} ({group.wrong / best.wrong - 1:+.1%})" if best.wrong else _share(group)


def figure_8(figure: Figure8) -> str:
    """Errors of every contestant, by phase; the two sets of models apart."""
    parts = [
        f"{title}\n\n{_contestants(figure, [one for one in figure.outcomes if one.is_correlated == is_correlated])}"
        for title, is_correlated in (("Independent errors:", False), ("Correlated errors:", True))
    ]
    defaults = ", ".join(f"{one.name} {len(one.defaults)}" for one in figure.outcomes if one.defaults)
    return "\n\n".join([*parts, *([f"Default outputs, each counted as an error: {defaults}."] if defaults else [])])


def _contestants(figure: Figure8, outcomes: list[Outcome]) -> str:
    ends = f"0 to {figure.fails_at:,}", f"to {figure.recovers_at:,}", f"to {figure.queries:,}"
    heads = ["", "labels", "seeds", *ends, "all", "bar"]
    oracle, statics = oracle_ratio(FULL), static_ratios(FULL)
    second = BEST - 1
    best_of_each = [min(phase) for phase in zip(phase_ratios(second), phase_ratios(BEST), strict=True)]
    rows = [
        ["best model of each phase", "-", "-", *_ratios(*best_of_each, oracle), "-"],
        [f"best model throughout ({second + 1})", "-", "-", *_ratios(*phase_ratios(second), min(statics)), "-"],
        [f"the model that fails ({BEST + 1})", "-", "-", *_ratios(*phase_ratios(BEST), statics[BEST]), "-"],
    ]
    for one in outcomes:
        phases = [f"{mean_interval(phase).mean:.4f}" for phase in one.phases]
        late = f"{one.delay} queries late" if one.delay else "at once"
        bar = "-" if one.limit is None else f"at most {one.limit:.3f}"
        rows.append([one.title, late, str(len(one.overall)), *phases, f"**{one.error}**", bar])
    return table(heads, rows)


def _ratios(*ratios: float) -> list[str]:
    return [f"{ratio:.4f}" for ratio in ratios]


def figure_9(figure: Figure9) -> str:
    """Latencies and what is missing, by size of the ensemble."""
    heads = ["members", "answered", "mean ms", "p99 ms", "of it the client's lag", "outputs missing"]
    rows = [
        [str(size), f"{name} (paper)", *times.split(" / "), "-", "-"]
        for size, pair in PAPER_STRAGGLERS.items()
        for name, times in zip(("at 20 ms", "when all are in"), pair, strict=True)
    ]
    for row in figure.rows:
        times = [f"{value / 1e3:.1f}" for value in (row.mean_us, row.p99_us, row.client_lag_us)]
        title = f"{row.title}{', void' if row.void_reason else ''}"
        rows.append([str(row.members), title, *times, f"{row.missing_ratio:.0%}"])
    return table(heads, rows)


def figure_10(figure: Figure10) -> str:
    """The error after each label, of the paper's speakers and of our writers."""
    told = range(figure.feedbacks + 1)
    heads = ["labels from this user", *(str(count) for count in told)]
    rows = [
        ["paper: one model for all", *_repeated(PAPER_EVERYBODY, figure)],
        ["paper: model of the own dialect", *_repeated(PAPER_OWN, figure)],
        ["paper: selection by user", *(f"{PAPER_LEARNT[k]:.3f}" if k < len(PAPER_LEARNT) else "-" for k in told)],
        *(_line(line, figure) for line in (figure.everybody, figure.own, *figure.learners)),
    ]
    after = [f"* {line.title}: {_since(figure.better_after(line), figure.feedbacks)}" for line in figure.learners]
    return table(heads, rows) + "\n\n" + "\n".join(after)


def _repeated(error: float, figure: Figure10) -> list[str]:
    return [f"{error:.3f}", *[""] * figure.feedbacks]


def _line(line: Line, figure: Figure10) -> list[str]:
    cells = [f"{error:.3f}" for error in line.errors]
    return [line.title, *cells, *[""] * (figure.feedbacks + 1 - len(cells))]


def _since(labels: int | None, most: int) -> str:
    if labels is None:
        return f"not below the one model for all after {most} labels."
    return f"below the one model for all from {labels} label{'' if labels == 1 else 's'} on."
