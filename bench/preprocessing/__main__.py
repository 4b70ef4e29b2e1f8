"""``python -m bench.preprocessing``: measure, write JSON and the Markdown rendered from it."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from bench.preprocessing.measure import CASES, measure
from bench.preprocessing.report import render
from bench.preprocessing.run_record import load, save
from bench.preprocessing.subjects import SUBJECTS


def main(arguments: list[str] | None = None) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.preprocessing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything runs")
    parser.add_argument("--subjects", nargs="*", choices=[subject.name for subject in SUBJECTS], help="default: all")
    parser.add_argument("--cases", nargs="*", choices=[case.name for case in CASES], help="default: all")
    parser.add_argument("--json", type=Path, help="where to write; default: bench/results/preprocessing-TIME.json")
    parser.add_argument("--render", type=Path, metavar="JSON", help="only render a recorded run, to standard output")
    parser.add_argument("--commit", default="", help="to record, where this is no checkout")
    options = parser.parse_args(arguments)
    if options.render:
        sys.stdout.write(render(load(options.render)))
        return 0
    run = measure(options.subjects, options.cases, is_quick=options.quick, commit=options.commit)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    file = options.json or Path(__file__).parents[1] / "results" / f"preprocessing-{stamp}.json"
    save(run, file)
    file.with_suffix(".md").write_text(render(run), encoding="utf-8")
    print(render(run))
    print(f"written: {file}")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
