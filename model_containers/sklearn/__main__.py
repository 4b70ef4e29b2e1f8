"""``python -m model_containers.sklearn``."""

from model_containers import serve
from model_containers.sklearn.container import SklearnContainer

serve(SklearnContainer())
