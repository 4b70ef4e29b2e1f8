"""``python -m model_containers.noop``."""

from model_containers import serve
from model_containers.noop.container import NoopContainer

serve(NoopContainer())
