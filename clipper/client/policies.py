"""Selection policies from Python: which one an application has, what it has learned, and another one for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from clipper.client.api_paths import segment
from clipper.client.calls import Calls
from clipper.client.checks import check_text
from clipper.client.policy_info import PolicyInfo
from clipper.errors import InvalidArgumentError

# The server's own limit, management.evaluation_limit_us, is to end it first.
_EVALUATION_LIMIT_US = 3_600_000_000

PolicyOption = str | Mapping[str, Any] | None
LearningOption = bool | Mapping[str, Any] | None


class PolicyCalls(Calls):
    """The part of `Clipper` that is about how an application chooses among its models."""

    def policy(self, app_name: str, context: str | None = None) -> PolicyInfo:
        """Return the policy of an application and what it has learned of each model; it shows itself as a table.

        Parameters
        ----------
        context : str, optional
            A user or session: what is known of it alone, if it has a state of its own (then `PolicyInfo.context` names
            it); else what holds for everybody.
        """
        query = "" if context is None else "?" + urlencode({"context": check_text("context", context)})
        return PolicyInfo.from_answer(self._manage("GET", _path(app_name) + query))

    def set_policy(self, app_name: str, policy: PolicyOption, *, learning: LearningOption = None) -> PolicyInfo:
        """Give an application another policy, or the same with other parameters; queries use it when this returns.

        Another policy, other parameters and another loss begin to learn anew.

        Parameters
        ----------
        policy : str or mapping or None
            As `register_application` takes it.
        learning : bool or mapping, optional
            Likewise; None leaves it as it is, False takes no feedback any more unless the policy needs it.
        """
        body: dict[str, Any] = {"policy": check_policy(policy)}
        if learning is not None:
            body["learning"] = check_learning(learning)
        return PolicyInfo.from_answer(self._manage("PUT", _path(app_name), body))

    def evaluate_policy(
        self,
        app_name: str,
        policy: str | Mapping[str, Any],
        *,
        since_us: int | None = None,
        until_us: int | None = None,
        per_context: bool = False,
        loss: str | None = None,
        loss_bound: float | None = None,
        label_field: str | None = None,
        confidence: float = 0.95,
    ) -> dict[str, Any]:
        """Estimate, on the decisions that an application has logged, what another policy would have earned.

        The answer has the fields of ``clipper evaluate --json``: ``earned``, ``estimates`` and ``differences`` by
        estimator, ``effective_sample_size``, ``remarks`` and others. The server computes it, one at a time.

        Parameters
        ----------
        policy : str or mapping
            The candidate, as `register_application` takes it.
        since_us, until_us : int, optional
            Microseconds since 1970: decisions before and from there on are left out.
        per_context : bool
            Whether the candidate learns for each context apart.
        loss, loss_bound, label_field : optional
            How labels judge outputs; by default as the log says.
        confidence : float
            Of the intervals, in (0, 1).

        Raises
        ------
        UnusableLogError
            The log cannot tell; the message says why and the hint what to do.
        NotFoundError
            The application has logged no decision.
        """
        body = {
            "policy": check_policy(policy), "since_us": since_us, "until_us": until_us, "per_context": per_context,
            "loss": loss, "loss_bound": loss_bound, "label_field": label_field, "confidence": confidence,
        }  # fmt: skip
        answer: dict[str, Any] = self._manage(
            "POST", f"{_path(app_name)}/evaluate", body, limit_us=_EVALUATION_LIMIT_US
        )
        return answer


def check_policy(policy: Any) -> dict[str, Any] | None:
    """Return a policy as ``{"name": ...}`` with its parameters; which there are is the server's decision."""
    if policy is None:
        return None
    document = {"name": policy} if isinstance(policy, str) else policy
    if not isinstance(document, Mapping) or not isinstance(document.get("name"), str) or not document["name"]:
        raise InvalidArgumentError(
            f"policy={policy!r:.200} is not valid: expected a name, or a mapping with a name and parameters",
            hint="for example 'thompson', or {'name': 'epsilon_greedy', 'epsilon': 0.05}",
        )
    return dict(document)


def check_learning(learning: Any) -> dict[str, Any] | None:
    """Return what an application learns with: True stands for the defaults, None for what its policy needs."""
    if learning is None or learning is False:
        return None
    if learning is True:
        return {}
    if not isinstance(learning, Mapping):
        raise InvalidArgumentError(
            f"learning={learning!r:.200} is not valid: expected True, or a mapping of options",
            hint="for example {'per_context': True}",
        )
    return dict(learning)


def _path(app_name: str) -> str:
    return f"/applications/{segment(check_text('app_name', app_name))}/policy"
