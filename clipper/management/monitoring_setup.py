"""From the registry to monitoring: what is watched of each application, and the change that a roll-back is."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from clipper.errors import ConflictError
from clipper.monitoring.adwin import has_river, require_river
from clipper.monitoring.options import ADWIN, PAGE_HINKLEY, MonitorOptions, options_of
from clipper.registry import changes
from clipper.registry.learning import Learning, learning_of
from clipper.registry.records import Application, RegistryState
from clipper.types import ModelId

_logger = logging.getLogger(__name__)


def model_id_of(arm: str) -> ModelId:
    """Return model and version of "NAME:VERSION"."""
    name, _, version = arm.partition(":")
    return ModelId(name, version)


def arms_of(state: RegistryState, application: Application) -> tuple[list[str], list[str]]:
    """Return "NAME:VERSION" of the current version of each linked model, in link order; and of those the shadows.

    Where nothing but shadows is linked they answer, and are none.
    """
    linked = [state.models[name] for name in application.models if name in state.models]
    current = {m.name: f"{m.name}:{m.current_version}" for m in linked if m.current_version is not None}
    learning = learning_of(application)
    shadows = [arm for name, arm in current.items() if learning is not None and name in learning.shadows]
    return list(current.values()), [] if len(shadows) == len(current) else shadows


def document_key(application: str) -> str:
    """Return the key in the learners' store of what is known of an application."""
    return f"monitor/{application}"


async def check_detector(application: Application) -> None:
    """Import what an application's detector needs, beside the event loop.

    Raises
    ------
    InvalidArgumentError
        It is not installed.
    """
    learning = learning_of(application)
    options = None if learning is None else options_of(learning.monitor)
    if options is not None and options.detector == ADWIN:
        await asyncio.to_thread(require_river)


def roll_back_from(state: RegistryState, model_id: ModelId, to_version: str) -> RegistryState:
    """Roll back unless somebody has done it, or something else, since the decision was made."""
    model = state.model(model_id.name)
    if model.current_version != model_id.version or model.previous_versions[-1:] != (to_version,):
        raise ConflictError(f"{model_id} is no longer current, or {to_version} no longer what was before it")
    return changes.rollback(state, model_id.name)


def options_for(application: str, learning: Learning) -> MonitorOptions | None:
    """Return how an application is watched; None if it does not want to be."""
    options = options_of(learning.monitor)
    if options is not None and options.detector == ADWIN and not has_river():
        # It was there when the application was registered. Better watched otherwise than not at all.
        _logger.error("the library river is not installed any more: %s is watched by page_hinkley", application)
        return replace(options, detector=PAGE_HINKLEY)
    return options
