"""How well item parameters describe responses.

Start with `assess`, which computes everything below and says what does not apply. Reading order:
`evidence` (parameters, population and responses brought together), `sx2` and `pvq1` (items), `residuals`
(infit, outfit), `pairs` (local dependence), `limited` (M2 and its family), `persons` (lz, lz*), `compare`
(information criteria, nested tests). `result` is what it gives. Several dimensions: `dimensions`
(evidence over nodes), `dimension_persons`, `bifactor`, `assess_dimensions`.
"""

from calibration.fit.assess import assess
from calibration.fit.compare import criteria, likelihood_ratio
from calibration.fit.evidence import Evidence
from calibration.fit.limited import limited_information
from calibration.fit.pairs import ld_x2, q3
from calibration.fit.persons import person_fit
from calibration.fit.pvq1 import pv_q1
from calibration.fit.residuals import mean_squares, posterior_mean_squares
from calibration.fit.result import Fit
from calibration.fit.sx2 import s_x2

__all__ = [
    "Evidence",
    "Fit",
    "assess",
    "criteria",
    "ld_x2",
    "likelihood_ratio",
    "limited_information",
    "mean_squares",
    "person_fit",
    "posterior_mean_squares",
    "pv_q1",
    "q3",
    "s_x2",
]
