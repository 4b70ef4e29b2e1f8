"""What a selection policy would have earned on logged traffic; docs/evaluation.md tells how to read the answer."""

from clipper.evaluation.estimates import Estimate
from clipper.evaluation.evaluate import Evaluation, evaluate
from clipper.evaluation.joined_log import JoinedLog
from clipper.evaluation.question import Question
from clipper.evaluation.read_log import ReadOptions, read_log

__all__ = ["Estimate", "Evaluation", "JoinedLog", "Question", "ReadOptions", "evaluate", "read_log"]
