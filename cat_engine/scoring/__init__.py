"""Scoring: from answers to an ability with its uncertainty.

Read `estimators` (eap, map, ml, wle), then `posterior` (what they share with the score of record).
"""

from cat_engine.scoring.estimators import ESTIMATORS, FLAGS, Scores, score
from cat_engine.scoring.priors import Prior

__all__ = ["ESTIMATORS", "FLAGS", "Prior", "Scores", "score"]
