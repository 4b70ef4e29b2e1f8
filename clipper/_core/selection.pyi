"""Whom a query asks (hop 3): what the plan of its application, or of its context, says."""

from clipper._core.predict_tasks import PredictTasks

class Selection(PredictTasks):
    """Carries out plans; `QueryProcessor` says which one holds for a query."""
