"""``python -m model_containers.image_classifier``."""

from model_containers import serve
from model_containers.image_classifier.container import ImageClassifierContainer

serve(ImageClassifierContainer())
