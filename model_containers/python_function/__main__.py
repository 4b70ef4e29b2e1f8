"""``python -m model_containers.python_function``."""

from model_containers import serve
from model_containers.python_function.container import PythonFunctionContainer

serve(PythonFunctionContainer())
