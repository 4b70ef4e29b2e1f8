"""``python -m model_containers.sum``."""

from model_containers import serve
from model_containers.sum.container import SumContainer

serve(SumContainer())
