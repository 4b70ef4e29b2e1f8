"""Vowpal Wabbit's contextual bandits as a policy: the library learns and predicts, Clipper draws and serves.

Needs the extra ``vowpal-wabbit``, where management and the frontends run. The reductions are those of
Bietti, Agarwal and Langford, "A contextual bandit bake-off", JMLR 22(133), 2021: ``--cb_explore_adf`` with one line for
each arm, the query's features crossed with the arm, costs 1 - reward, and the propensities that were logged.

The state holds the saved regressor, and the examples since: after ``update_every`` of them they are learned in one go,
and a plan carries the new regressor. So a fold costs microseconds most of the time, and the same observations always
give the same state.
"""

from __future__ import annotations

import atexit
import base64
import importlib.util
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from clipper.errors import InvalidArgumentError, StateError
from clipper.selection.arm_policy import FLOOR, ArmPolicy, Known
from clipper.selection.linear_model import MAX_FEATURES, Floats, drawn_rows
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import Choices, State

LIBRARY: Final = "vowpalwabbit"
INSTALL: Final = "pip install 'clipper[vowpal-wabbit]'"
_EXPLORATION: Final[Mapping[str, str]] = {
    "squarecb": "--squarecb",
    "regcb": "--regcbopt",
    "epsilon": "--epsilon {epsilon!r}",
    "bag": "--bag 5",
    "cover": "--cover 5",
    "softmax": "--softmax --lambda 10",
}
_KEPT_REGRESSORS: Final = 32


class VowpalWabbit(ArmPolicy):
    """Learns how good each model is for a query's features, as well as one of VW's algorithms does."""

    name = "vowpal_wabbit"
    needs_features = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "exploration": Parameter("choice", "squarecb", "how arms are explored", choices=tuple(_EXPLORATION)),
        "epsilon": Parameter("number", 0.05, "of exploration 'epsilon': share of queries for any model", 0.0, 1.0),
        "cb_type": Parameter("choice", "mtr", "how costs are estimated", choices=("mtr", "dr", "ips")),
        "learning_rate": Parameter("number", 0.5, "of the regression", 1e-6, 100.0),
        "l2": Parameter("number", 0.0, "shrinkage of the regression", 0.0, 1.0),
        "bits": Parameter("integer", 18, "2 to the power of this many weights", 8, 24),
        "update_every": Parameter("integer", 50, "observations between two regressors that are deployed", 1, 10_000),
        "floor": FLOOR,
    }
    exploration: str
    epsilon: float
    cb_type: str
    learning_rate: float
    l2: float
    bits: int
    update_every: int
    floor: float

    def check(self) -> None:
        if importlib.util.find_spec(LIBRARY) is None:
            raise InvalidArgumentError(f"policy {self.name!r} needs {LIBRARY}, which is not installed", hint=INSTALL)
        if self.exploration == "squarecb" and self.cb_type != "mtr":
            raise InvalidArgumentError(
                f"policy {self.name!r}: exploration 'squarecb' and cb_type {self.cb_type!r} do not go together",
                hint="use cb_type 'mtr', or another exploration",
            )

    @property
    def arguments(self) -> str:
        """The command line of VW, for a regressor that is new."""
        chosen = _EXPLORATION[self.exploration].format(epsilon=self.epsilon)
        return (
            f"--cb_explore_adf {chosen} --cb_type {self.cb_type} --interactions xa --bit_precision {self.bits} "
            f"--learning_rate {self.learning_rate!r} --l2 {self.l2!r} --random_seed 1 --quiet"
        )

    def _empty(self, arms: Sequence[str]) -> State:
        return {**super()._empty(arms), "features": None, "regressor": None, "waiting": []}

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        state = super().init(arms, population=population)
        if population is not None:
            for field in ("features", "regressor"):
                state[field] = population[field]
            state["waiting"] = list(population["waiting"])
        return state

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        # Weights belong to names of arms: a new one begins with what is common to all, an old one finds its own again.
        kept = {field: state[field] for field in ("features", "regressor", "waiting")}
        return {**super().change_arms(state, arms), **kept}

    def check_state(self, state: State) -> None:
        super().check_state(state)
        features, regressor, waiting = state.get("features"), state.get("regressor"), state.get("waiting")
        whole = features is None or (type(features) is int and 0 < features <= MAX_FEATURES)
        whole = whole and (regressor is None or isinstance(regressor, str)) and isinstance(waiting, list)
        if not whole or not all(isinstance(each, str) for each in waiting or ()):
            raise StateError(f"the state of policy {self.name!r} is damaged: no regressor and waiting examples")

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        features = observation.features
        if features is None or not 0 < len(features) <= MAX_FEATURES:
            return
        if state["features"] is None:
            state["features"] = len(features)
        if len(features) != state["features"]:
            raise InvalidArgumentError(
                f"policy {self.name!r} got {len(features)} features; it has learned from {state['features']}",
                hint="set the policy again to start anew",
            )
        for place, loss, propensity in known:
            state["waiting"].append("\n".join(example(features, state["arms"], place, loss, propensity)))
        if len(state["waiting"]) >= self.update_every:
            state["regressor"] = _learned(self.arguments, state["regressor"], state["waiting"])
            state["waiting"] = []

    def probabilities(self, state: State) -> Sequence[float]:
        """Return the share of observations of each arm: before a query is seen nothing more can be said."""
        pulls: list[float] = state["pulls"]
        return pulls if sum(pulls) > 0 else [1.0] * len(pulls)

    def plan(self, state: State, now_us: int) -> PlanSpec:
        arms = self._arms(state)
        parameters: dict[str, Any] = {"arms": list(arms), "floor": self.floor}
        if state["regressor"] is not None:
            parameters |= {"features": state["features"], "regressor": state["regressor"]}
        floor = min(self.floor, 1.0 / len(arms))
        return PlanSpec("features", arms, policy=self.name, parameters=parameters, floor=floor)

    def select(self, parameters: Mapping[str, Any], features: Floats, rng: np.random.Generator) -> Choices:
        arms = parameters["arms"]
        if "regressor" not in parameters:
            return drawn_rows(np.full((len(features), len(arms)), 1.0 / len(arms)), 0.0, rng)
        if features.shape[1] != parameters["features"]:
            raise InvalidArgumentError(
                f"features have shape {features.shape}; expected (queries, {parameters['features']})"
            )
        workspace = _predictor(parameters["regressor"])
        shares = np.empty((len(features), len(arms)))
        for row, of_row in zip(features, shares, strict=True):
            of_row[:] = workspace.predict(example(row, arms))
        return drawn_rows(shares / shares.sum(axis=1, keepdims=True), float(parameters["floor"]), rng)


def example(
    features: Floats, arms: Sequence[str], place: int | None = None, loss: float = 0.0, propensity: float = 1.0
) -> list[str]:
    """Return the lines of VW's text format: the query, then each arm, the chosen one with its cost."""
    shared = " ".join(f"{number}:{value:.9g}" for number, value in enumerate(features) if value)
    lines = [f"shared |x {shared} one"]
    for number, arm in enumerate(arms):
        label = f"0:{loss:.9g}:{propensity:.9g} " if number == place else ""
        lines.append(f"{label}|a {arm.replace(':', '@').replace('|', '@')}")  # : and | are VW's own signs
    return lines


def _learned(arguments: str, regressor: str | None, examples: Sequence[str]) -> str:
    """Return the regressor after more examples."""
    from vowpalwabbit import Workspace

    with _file_of(regressor) as path:
        workspace = Workspace(arguments if regressor is None else f"--quiet -i {path}")
        try:
            for each in examples:
                workspace.learn(each.split("\n"))
            workspace.save(str(path))
        finally:
            workspace.finish()
        return base64.b64encode(path.read_bytes()).decode("ascii")


@lru_cache(_KEPT_REGRESSORS)
def _predictor(regressor: str) -> Any:
    """Return the workspace of a regressor that learns no more; plans change seldom, and are read at every turn."""
    from vowpalwabbit import Workspace

    with _file_of(regressor) as path:
        return Workspace(f"--quiet --testonly -i {path}")


# A workspace that lives until modules are taken down complains about it.
atexit.register(_predictor.cache_clear)


@contextmanager
def _file_of(regressor: str | None) -> Iterator[Path]:
    """Give a file that holds a regressor: VW reads and writes nothing else."""
    with tempfile.TemporaryDirectory(prefix="clipper-vw-") as directory:
        path = Path(directory) / "regressor"
        if regressor is not None:
            path.write_bytes(base64.b64decode(regressor))
        yield path
