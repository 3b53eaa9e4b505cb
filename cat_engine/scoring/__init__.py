"""Scoring: from answers to an ability with its uncertainty.

Read `estimators` (eap, map, ml, wle), then `posterior` (what they share with the score of record). Several
dimensions: `multidimensional`, then what integrates there (`reduction`, `adaptive`) and what climbs (`mode`).
"""

from cat_engine.scoring.estimators import ESTIMATORS, FLAGS, Scores, score
from cat_engine.scoring.multidimensional import DimensionScores, score_dimensions
from cat_engine.scoring.plausible import level_probabilities, plausible_values
from cat_engine.scoring.priors import Prior
from cat_engine.scoring.reliability import (
    conditional_reliability,
    dimension_reliability,
    empirical_reliability,
    marginal_reliability,
)
from cat_engine.scoring.summed import SummedScores, summed_scores

__all__ = [
    "ESTIMATORS",
    "FLAGS",
    "DimensionScores",
    "Prior",
    "Scores",
    "SummedScores",
    "conditional_reliability",
    "dimension_reliability",
    "empirical_reliability",
    "level_probabilities",
    "marginal_reliability",
    "plausible_values",
    "score",
    "score_dimensions",
    "summed_scores",
]
