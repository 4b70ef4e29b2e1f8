"""Renders a run as Markdown. Nothing is typed by hand."""

from __future__ import annotations

from bench.preprocessing.run_record import Run

OURS = "ours, numpy"


def render(run: Run) -> str:
    """Return the page of a run."""
    machine = run.machine
    where = f"{machine.cores} cores of {machine.cpu}" + (f", {run.device}" if run.device else ", no CUDA device")
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    lines = [
        f"# Preprocessing, {machine.started_at} UTC, commit {machine.commit[:8]}",
        "",
        f"{where}; Python {machine.python}; {versions}. Batches of {run.batch}, one thread on the host where no number "
        "stands. Images a second, median of the rounds (slowest to fastest); on a device, copies to it included.",
        "",
        table(run),
    ]
    lines += (
        ["", "Left out: " + "; ".join(f"{name} ({why})" for name, why in run.missing.items()) + "."]
        if run.missing
        else []
    )
    lines += ["", "**Wrong:** " + "; ".join(run.failures)] if run.failures else []
    return "\n".join(lines) + "\n"


def table(run: Run) -> str:
    """Return the table of rates, a row a case."""
    subjects = list(dict.fromkeys(cell.subject for cell in run.cells))
    cases = list(dict.fromkeys(cell.case for cell in run.cells))
    rows = [["", *subjects], ["---", *["---:"] * len(subjects)]]
    for case in cases:
        cells = [run.of(case, subject) for subject in subjects]
        rows.append([case])
        for cell in cells:
            spread = f"{cell.slowest_images_per_s:,.0f} to {cell.fastest_images_per_s:,.0f}" if cell else ""
            rows[-1].append(f"{cell.images_per_s:,.0f} ({spread})" if cell else "-")
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
