"""Figure 10: selection for each user apart, where users write in dialects and nobody says who writes in which.

There is a model for each dialect and one for all of them. What the paper does with the 168 speakers of TIMIT is done
here with as many writers of slanted digits: after each label that a writer gives, how often is the next answer wrong?
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.paper.digits import PIXELS, Doubles, Images, Integers, fit_dialects, split_images, writer_degrees
from bench.paper.intervals import mean_interval
from bench.paper.stage import Stage, StageError
from bench.query_client import QueryConnection, predict, update

SLO_US: Final = 1_000_000  # latency is not the question here
CONNECTIONS: Final = 16
EVERYBODY: Final = "no-dialect"
FEW: Final = 3  # feedbacks after which a writer's own selection must be better than the best model for everybody
LEARNT_LIMIT_S: Final = 60.0
POLL_S: Final = 0.05
SEED: Final = 10


@dataclass(frozen=True)
class Scale:
    """How many dialects, writers, labels from each, and queries without one in between to measure the error."""

    dialects: int = 8
    writers: int = 168
    feedbacks: int = 12
    probes: int = 10


FULL: Final = Scale()
QUICK: Final = Scale(dialects=2, writers=12, feedbacks=3, probes=4)


@dataclass(frozen=True)
class Learner:
    """A policy with a state for each writer.

    Parameters
    ----------
    few : int or None
        Labels after which it must be better than the best model for everybody; None for what is only shown.
    """

    name: str
    title: str
    policy: dict[str, Any]
    few: int | None = None


# A context starts from the population's weights. For writers who tell a handful of labels each step must be longer than
# in a stream of thousands, and what the population learnt must not take as many labels to be outweighed.
QUICK_HEDGE: Final = {"name": "hedge", "eta": 1.0, "context_strength": 1.0}


LEARNERS: Final = (
    Learner("quick", "all models, by writer: `hedge`, eta 1, context strength 1", QUICK_HEDGE, FEW),
    Learner("ensemble", "all models, by writer: `hedge`", {"name": "hedge"}),
    Learner("single", "one model, by writer: `thompson`", {"name": "thompson"}),
)


@dataclass(frozen=True)
class Line:
    """The error after 0, 1, ... labels: mean over the writers, and half the width of its interval."""

    name: str
    title: str
    errors: list[float]
    halves: list[float]
    few: int | None = None


@dataclass(frozen=True)
class Figure10:
    """The whole figure."""

    dialects: int
    writers: int
    feedbacks: int
    probes: int
    own: Line  # each writer's own dialect, known beforehand
    everybody: Line
    learners: list[Line]
    defaults: int
    is_judged: bool

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figure10:
        """Read what `dataclasses.asdict` wrote."""
        lines = {name: Line(**content[name]) for name in ("own", "everybody")}
        return cls(**{**content, **lines, "learners": [Line(**one) for one in content["learners"]]})

    def better_after(self, line: Line) -> int | None:
        """Return after how many labels a line is below the best model for everybody, and stays there; None: never."""
        above = [at for at, error in enumerate(line.errors) if error >= self.everybody.errors[0]]
        first = max(above, default=-1) + 1
        return first if first < len(line.errors) else None

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised."""
        found = [f"{self.defaults} queries without a prediction"] if self.defaults else []
        for line in self.learners if self.is_judged else []:
            after = self.better_after(line)
            if line.few is not None and (after is None or after > line.few):
                found.append(f"{line.title}: not better than one model for all writers after {line.few} labels")
        return found


@dataclass(frozen=True)
class Writers:
    """Who writes: dialect and slant of each, shape (writers,), and how the context of each is called."""

    dialects: Integers
    degrees: Doubles

    @classmethod
    def draw(cls, scale: Scale, rng: np.random.Generator) -> Writers:
        """Draw as many writers of each dialect as of any other."""
        dialects = np.arange(scale.writers) % scale.dialects
        return cls(dialects, writer_degrees(dialects, scale.dialects, rng))

    def pages(self, count: int, rng: np.random.Generator) -> list[Images]:
        """Let each of them write so many digits that no model has seen."""
        asked = split_images()[1]
        return [asked.some(count, rng).turned(np.full(count, one)) for one in self.degrees]


def measure(stage: Stage) -> Figure10:
    """Fit, deploy, ask and teach."""
    scale = FULL if stage.is_full else QUICK
    models = [f"dialect-{number + 1}" for number in range(scale.dialects)] + [EVERYBODY]
    for name, fitted in zip(models, fit_dialects(scale.dialects, SEED), strict=True):
        stage.deploy_fitted(name, fitted, PIXELS)
        stage.register(f"only-{name}", [name], {"name": "static"}, SLO_US, PIXELS)
    rng = np.random.default_rng(SEED)
    writers = Writers.draw(scale, rng)
    return asyncio.run(_measure(stage, scale, models, writers, rng))


async def _measure(
    stage: Stage, scale: Scale, models: Sequence[str], writers: Writers, rng: np.random.Generator
) -> Figure10:
    hall = _Hall(stage, writers)
    pages = writers.pages(scale.probes * (scale.feedbacks + 1), rng)
    own = [f"only-{models[dialect]}" for dialect in writers.dialects]
    lines = [
        _line("own", "the model of the writer's own dialect", [await hall.ask_all(own, pages)]),
        _line("everybody", "one model for all dialects", [await hall.ask_all([f"only-{EVERYBODY}"] * len(own), pages)]),
    ]
    learners = []
    for learner in LEARNERS:
        name = f"by-writer-{learner.name}"
        learning = {"per_context": True}
        await asyncio.to_thread(stage.register, name, models, learner.policy, SLO_US, PIXELS, learning)
        rounds = []
        for told in range(scale.feedbacks + 1):
            rounds.append(await hall.ask_all([name] * len(own), writers.pages(scale.probes, rng)))
            await hall.teach_all(name, writers.pages(1, rng), told + 1)
        learners.append(_line(learner.name, learner.title, rounds, learner.few))
        stage.tell(f"{learner.title}: {' '.join(f'{error:.3f}' for error in learners[-1].errors)}")
    return Figure10(
        dialects=scale.dialects,
        writers=scale.writers,
        feedbacks=scale.feedbacks,
        probes=scale.probes,
        own=lines[0],
        everybody=lines[1],
        learners=learners,
        defaults=hall.defaults,
        is_judged=scale == FULL,
    )


def _line(name: str, title: str, rounds: Sequence[Sequence[float]], few: int | None = None) -> Line:
    points = [mean_interval(errors) for errors in rounds]
    return Line(name, title, [point.mean for point in points], [point.half for point in points], few)


class _Hall:
    """Where the writers are asked, a few at a time."""

    def __init__(self, stage: Stage, writers: Writers) -> None:
        self._stage = stage
        self._count = len(writers.degrees)
        self.defaults = 0

    async def ask_all(self, applications: Sequence[str], pages: Sequence[Images]) -> list[float]:
        """Ask what each writer has written, without telling labels; returns the error of each."""
        errors = [0.0] * self._count

        async def ask(connection: QueryConnection, writer: int) -> None:
            page, wrong = pages[writer], 0
            for pixels, label in zip(page.pixels, page.labels, strict=True):
                wrong += await self._ask(connection, applications[writer], writer, pixels) != int(label)
            errors[writer] = wrong / len(page.labels)

        await self._each(ask)
        return errors

    async def teach_all(self, application: str, pages: Sequence[Images], told: int) -> None:
        """Ask once for each writer, tell the label, and wait until all of them are learnt."""

        async def teach(connection: QueryConnection, writer: int) -> None:
            pixels, label = pages[writer].pixels[0], int(pages[writer].labels[0])
            (answer,) = await connection.exchange(predict(application, pixels.tolist(), self._context(writer)))
            query_id = answer.or_raise()["query_id"]
            (taken,) = await connection.exchange(update(application, query_id, label))
            taken.or_raise()

        await self._each(teach)
        ends_s = time.monotonic() + LEARNT_LIMIT_S
        while True:
            seen = (await asyncio.to_thread(self._stage.policy_of, application))["observations"]
            if seen >= told * self._count:
                break
            if time.monotonic() > ends_s:
                raise StageError(f"{seen} of {told * self._count} labels were learnt after {LEARNT_LIMIT_S:.0f} s")
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(2 * POLL_S)  # the plans are on their way to the worker

    async def _ask(self, connection: QueryConnection, application: str, writer: int, pixels: Doubles) -> Any:
        (answer,) = await connection.exchange(predict(application, pixels.tolist(), self._context(writer)))
        seen = answer.or_raise()
        self.defaults += bool(seen["default"])
        return seen["output"]

    def _context(self, writer: int) -> str:
        return f"writer-{writer}"

    async def _each(self, act: Any) -> None:
        """Let every writer act, CONNECTIONS of them at a time."""

        async def some(first: int) -> None:
            async with QueryConnection(self._stage.port) as connection:
                for writer in range(first, self._count, CONNECTIONS):
                    await act(connection, writer)

        async with asyncio.TaskGroup() as group:
            for first in range(min(CONNECTIONS, self._count)):
                group.create_task(some(first))
