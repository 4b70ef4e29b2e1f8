"""A Clipper for the figures, and what they all do with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

from bench.lines import Line
from bench.query_client import port_of
from clipper import Clipper
from clipper.client.api_paths import API
from clipper.config import ClipperConfig, CoreConfig, ListenConfig
from clipper.supervisor.launch import make_run_dir

START_LIMIT_US: Final = 300_000_000  # the machine may do other work, and how long a start takes is not the question
SAMPLE_INTERVAL_US: Final = 1_000_000
DEFAULT_OUTPUT: Final = -1  # no label of any figure


class StageError(Exception):
    """Management refused what a figure needs."""


@dataclass
class Stage:
    """A running Clipper and the form of the figures: full, or the quick one that only shows that they run."""

    clipper: Clipper
    is_full: bool
    tell: Callable[[str], None]
    bars_only: bool = False  # leave out of Figure 8 what is there to compare with, and has no bar
    seeds: int | None = None  # of Figure 8, at most; None = as many as it promises

    @classmethod
    @contextmanager
    def with_options(cls, like: Stage, core: CoreConfig) -> Iterator[Stage]:
        """Start a Clipper of its own whose data path has these options; the stage is otherwise like the other one."""
        config = ClipperConfig(
            make_run_dir(), remove_run_dir=True, listen=ListenConfig(query_port=0, management_port=0), core=core
        )
        with Clipper.start(config=config, start_limit_us=START_LIMIT_US) as clipper:
            yield replace(like, clipper=clipper)

    @property
    def port(self) -> int:
        """The query port."""
        return port_of(self.clipper.query_url)

    def deploy_simulated(self, name: str, environment: Mapping[str, str], **options: Any) -> None:
        """Deploy a simulated container; options are those of `Clipper.deploy_model`."""
        self.clipper.deploy_model(name, 1, container="simulated", environment=dict(environment), **options)

    def deploy_line(self, name: str, line: Line, **options: Any) -> None:
        """Deploy a simulated container that sleeps for what a line says."""
        environment = {
            "CLIPPER_SIMULATED_BASE_US": str(round(line.base_us)),
            "CLIPPER_SIMULATED_PER_ITEM_US": repr(float(line.per_item_us)),
        }
        self.deploy_simulated(name, environment, **options)

    def deploy_fitted(self, name: str, estimator: Any, length: int, **options: Any) -> None:
        """Deploy a fitted scikit-learn model of inputs of this length."""
        self.clipper.deploy_model(name, 1, model=estimator, sample_input=[0.0] * length, **options)

    def register(
        self,
        name: str,
        models: Sequence[str],
        policy: Mapping[str, Any],
        slo_us: int,
        length: int,
        learning: Mapping[str, Any] | None = None,
        *,
        cache: bool = True,
    ) -> None:
        """Register an application on models that are deployed."""
        body = {
            "name": name,
            "input_type": "doubles",
            "default_output": DEFAULT_OUTPUT,
            "latency_slo_us": slo_us,
            "shape": [length],
            "policy": dict(policy),
            "cache": cache,
        }
        if learning is not None:
            body["learning"] = dict(learning)
        self.manage("POST", "/applications", body)
        for model in models:
            self.clipper.link_model_to_app(name, model)

    def policy_of(self, application: str, context: str | None = None) -> dict[str, Any]:
        """Return what management tells of an application's policy."""
        query = "" if context is None else f"?context={quote(context, safe='')}"
        found: dict[str, Any] = self.manage("GET", f"/applications/{quote(application, safe='')}/policy{query}")
        return found

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """Call the management API, and return what it answers.

        Raises
        ------
        StageError
            It is an error.
        """
        status, text = self.clipper.exchange(method, API + path, body)
        if not 200 <= status < 300:
            raise StageError(f"{method} {path}: status {status}, {text}")
        return json.loads(text) if text else None


@dataclass
class LagWatch:
    """Samples how far the learner of an application is behind the feedback that its clients have told."""

    stage: Stage
    application: str
    told: int = 0
    samples: list[int] = field(default_factory=list)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_INTERVAL_US / 1e6)
            told = self.told
            seen = await asyncio.to_thread(self.stage.policy_of, self.application)
            self.samples.append(max(0, told - int(seen["observations"])))

    @property
    def mean(self) -> float:
        """The mean of the samples; 0 if there were none."""
        return sum(self.samples) / len(self.samples) if self.samples else 0.0

    @property
    def most(self) -> int:
        """The largest sample."""
        return max(self.samples, default=0)
