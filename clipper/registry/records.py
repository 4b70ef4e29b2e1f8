"""What the registry holds, as immutable records that check what they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from clipper.errors import NotFoundError
from clipper.registry import names
from clipper.registry.learning import check_learning_form, check_policy_form
from clipper.types import ModelId, Revision

_Record = TypeVar("_Record")
_EMPTY_REVISION: Final = Revision(0)


@dataclass(frozen=True, slots=True)
class Application:
    """A query endpoint: what it accepts, how fast it must answer, and the models linked to it, in link order."""

    name: str
    input_type: str
    default_output_json: str  # JSON text
    latency_slo_us: int
    max_slo_us: int  # ceiling of a query's own slo_us
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    on_miss: str = "default"
    policy: Mapping[str, Any] | None = None  # None: one model "static", several "majority"
    cache: bool = True
    cache_ttl_us: int = 0  # 0 = entries do not expire
    models: tuple[str, ...] = ()
    learning: Mapping[str, Any] | None = None  # the fields of learning.Learning that were given; None: no feedback

    def __post_init__(self) -> None:
        names.check_application_name(self.name)
        names.check_slo("latency_slo_us", self.latency_slo_us)
        names.check_range("max_slo_us", self.max_slo_us, self.latency_slo_us, names.MAX_SLO_US)
        names.check_range("cache_ttl_us", self.cache_ttl_us, 0, names.MAX_CACHE_TTL_US)
        names.check_miss_rule(self.on_miss)
        check_policy_form(self.policy)
        check_learning_form(self.learning)
        if self.input_type not in names.INPUT_TYPES:
            names.check_input_type(self.input_type)
        names.check_shape(self.input_type, self.shape, self.dtype)


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model, and the containers it should have."""

    name: str
    version: str
    input_type: str
    container: str  # which program evaluates it: a key of deploy.containers
    replicas: int = 1
    controller: str = "aimd"  # one of names.CONTROLLERS
    batch_size: int = 0  # of the controller "fixed"; 0 = its default
    max_batch_size: int = 0  # 0 = the default
    labels: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    is_deployed: bool = False  # False until every replica has been ready once
    resources: Mapping[str, int | str] = field(default_factory=dict)  # of each replica; for the container manager
    description: str = ""
    sample_input_json: str = ""  # JSON text of an input that each replica evaluates before it gets a query; "" = none
    is_external: bool = False  # its containers are started by somebody else; ``replicas`` is 0, ``container`` a remark
    data_path: str = ""  # of an external version: where its owner says that the model lies

    def __post_init__(self) -> None:
        names.check_model_name(self.name)
        names.check_version(self.version)
        least, most = (0, 0) if self.is_external else (1, names.MAX_REPLICAS)
        names.check_range("replicas", self.replicas, least, most)
        names.check_range("batch_size", self.batch_size, 0, names.MAX_BATCH_SIZE)
        names.check_range("max_batch_size", self.max_batch_size, 0, names.MAX_BATCH_SIZE)
        names.check_controller(self.controller)
        names.check_labels(self.labels)
        names.check_resources(self.resources)
        names.check_description(self.description)
        names.check_sample_input_json(self.sample_input_json)
        if self.input_type not in names.INPUT_TYPES:
            names.check_input_type(self.input_type)

    @property
    def model_id(self) -> ModelId:
        """Name and version."""
        return ModelId(self.name, self.version)


@dataclass(frozen=True, slots=True)
class Model:
    """A model: its versions, and the one that answers queries which name none."""

    name: str
    versions: Mapping[str, ModelVersion]
    current_version: str | None = None  # None until the first version is deployed, and when the current one is removed
    # What `changes.rollback` goes back to: the versions that were current before, the latest last, each once.
    previous_versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistryState:
    """Everything desired, as of one revision."""

    revision: Revision = _EMPTY_REVISION
    applications: Mapping[str, Application] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)

    def application(self, name: str) -> Application:
        """Return the application; `NotFoundError` names those there are."""
        return _find("application", self.applications, name)

    def model(self, name: str) -> Model:
        """Return the model; `NotFoundError` names those there are."""
        return _find("model", self.models, name)

    def version(self, name: str, version: str) -> ModelVersion:
        """Return the model version; `NotFoundError` names those there are."""
        return _find("version", self.model(name).versions, version, f" of model {name!r}")

    def model_versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a model; none if there is no such model."""
        model = self.models.get(name)
        return () if model is None else tuple(model.versions)

    def applications_of(self, model_name: str) -> tuple[Application, ...]:
        """Return the applications that ``model_name`` is linked to."""
        return tuple(application for application in self.applications.values() if model_name in application.models)

    def all_versions(self) -> Iterator[ModelVersion]:
        """Yield every version of every model."""
        for model in self.models.values():
            yield from model.versions.values()


def _find(kind: str, records: Mapping[str, _Record], name: str, of: str = "") -> _Record:
    try:
        return records[name]
    except KeyError:
        known = ", ".join(sorted(records)) or "none"
        raise NotFoundError(f"there is no {kind} {name!r}{of}", hint=f"known: {known}") from None
