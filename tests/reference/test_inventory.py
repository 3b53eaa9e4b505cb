"""Nothing of the reference folder is left untried by accident: who replays what, what is left out and why."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.reference import test_dimensions
from tests.reference.judged import load
from tests.reference.test_calibration import CASES

REPLAYED = {
    "crosscheck/TAM": "test_other_programs.test_items_and_population_equal_tams",
    "crosscheck/ltm": "test_other_programs.test_items_equal_ltms",
    "crosscheck/eRm_CML/LSAT6": "test_calibration_conditional.test_rasch_items_equal_erm",
    "crosscheck/eRm_CML/LSAT7": "test_calibration_conditional.test_rasch_items_equal_erm",
    "crosscheck/eRm_CML/SAT12_scored": "test_other_programs.test_andersens_test_equals_erms",
    "crosscheck/eRm_CML/VerbalAggression_dich": "test_other_programs.test_persons_and_item_fit_equal_erms",
    "crosscheck/eRm_CML/VerbalAggression_poly/PCM": (
        "test_calibration_conditional.test_partial_credit_items_equal_erm"
    ),
    "crosscheck/eRm_CML/VerbalAggression_poly/RSM": (
        "test_calibration_conditional.test_rating_scale_items_equal_erm"
    ),
    "dif-multigroup-linking/concurrent_sim3PL": "test_linking.test_concurrent_calibration",
    "dif-multigroup-linking/fixed_anchor_sim3PL": "test_linking.test_calibration_with_anchors_held",
    "dif-multigroup-linking/linking_sim3PL/equateIRT": "test_linking.test_equateirt",
    "dif-multigroup-linking/linking_KB36_published/equateIRT": "test_linking.test_equateirt",
    "dif-multigroup-linking/linking_sim3PL/plink": "test_linking.test_plink",
    "dif-multigroup-linking/linking_KB36_published/plink": "test_linking.test_plink",
    **{
        f"dif-multigroup-linking/multigroup_VerbalAggression_gender/{name}": (
            "test_calibration_groups.test_levels_of_invariance"
        )
        for name in ("configural", "metric", "scalar", "scalar_nolatent")
    },
    "dif-multigroup-linking/multigroup_VerbalAggression_gender/DIF_LR": "test_dif.test_likelihood_ratio",
    "dif-multigroup-linking/dif_VerbalAggression/MH": "test_dif.test_mantel_haenszel",
    "dif-multigroup-linking/dif_VerbalAggression/LR": "test_dif.test_logistic_regression",
    "dif-multigroup-linking/dif_VerbalAggression/Std": "test_dif.test_standardisation_and_breslow_day",
    "dif-multigroup-linking/dif_VerbalAggression/BD": "test_dif.test_standardisation_and_breslow_day",
    "dif-multigroup-linking/dif_VerbalAggression/Raju1PL": "test_dif.test_raju_at_difrs_own_difficulties",
    **{f"fits/{case}": "test_calibration.test_every_reference_fit_is_reached" for case in CASES},
    **{
        f"fits/{case}": "test_dimensions.test_confirmatory_and_bifactor_fits_are_reached"
        for case in test_dimensions.CASES
    },
    "fits/SAT12_scored__2dim_exploratory_oblimin_unrotated": (
        "test_dimensions.test_an_exploratory_model_is_a_pattern_with_a_zero"
    ),
    "fit-statistics": "test_fit_statistics.test_every_reference_case_is_tried",
}
"""Longest prefix of a case -> a test that replays it."""

LEFT_OUT = {
    "crosscheck/TAM/*/fit": "tam.fit draws at random: two runs of TAM differ as much",
    "dif-multigroup-linking/dif_VerbalAggression/SIBTEST": "SIBTEST is not offered",
    "dif-multigroup-linking/dif_VerbalAggression/TID": "the reference holds difR's error, and no figure",
    "dif-multigroup-linking/linking_sim3PL/equateIRT/mean-gmean": "the geometric mean is not offered",
    "dif-multigroup-linking/linking_KB36_published/equateIRT/mean-gmean": "the geometric mean is not offered",
    "fits/Science__GRSM_gr": (
        "the graded rating scale is not estimated: slopes times shared thresholds are not linear in free "
        "parameters, as every other restriction here is; test_mirt_scores scores with it"
    ),
    "fits/VerbalAggression_poly__GRSM_gr": "as Science__GRSM_gr",
}
"""What nothing replays, and why."""

ABOUT = ("package", "call", "data", "note", "itemtype", "from", "to", "common_from", "common_to", "D")
"""Keys that describe a file and are no results."""


def cases(reference: Path) -> list[str]:
    """Return every case as ``folder/file[/part[/part]]``, in the parts that `REPLAYED` tells apart."""
    out = [
        f"{folder}/{path.stem}"
        for folder in ("fits", "fit-statistics")
        for path in (reference / folder).glob("*.json")
    ]
    for path in (reference / "crosscheck").glob("*.json"):
        for name, content in load(path)["res"].items():
            nested = all(isinstance(part, dict) for part in content.values())
            parts = [f"/{part}" for part in content] if nested else [""]
            out += [f"crosscheck/{path.stem}/{name}{part}" for part in parts]
    for path in (reference / "dif-multigroup-linking").glob("*.json"):
        for name, content in load(path).items():
            if name not in ABOUT and not name.endswith("_note"):
                parts = [f"/{part}" for part in content] if name == "equateIRT" else [""]
                out += [f"dif-multigroup-linking/{path.stem}/{name}{part}" for part in parts]
    return out


def test_every_case_is_replayed_or_left_out_for_a_reason(reference: Path) -> None:
    found = cases(reference)
    assert len(found) > 80
    for case in found:
        replayed = any(case.startswith(prefix) for prefix in REPLAYED)
        assert replayed or case in LEFT_OUT, case


def test_the_list_holds_nothing_that_is_not_there(reference: Path) -> None:
    found = cases(reference)
    for prefix in REPLAYED:
        assert any(case.startswith(prefix) for case in found), prefix
    for case in LEFT_OUT:
        assert case in found or "*" in case, case


def test_the_tests_named_exist() -> None:
    for name in REPLAYED.values():
        module, test = name.split(".")
        assert callable(getattr(importlib.import_module(f"tests.reference.{module}"), test))
