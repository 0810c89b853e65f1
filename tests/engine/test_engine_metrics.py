"""Errors against the invariants that engines compute, and those computed from the intensity that they hand out, agree."""

import numpy as np
import pytest
from plane_problems import plane_problem
from problems import problem

from fxs_hpc.engine.interface import Update
from fxs_hpc.fluctuation.error_metrics import InvariantErrors

METRICS = ("deg2_ranked_invariant_l2_diff", "ccd_diff", "fqc_error", "II_error")


@pytest.mark.parametrize("complex_density", [False, True])
@pytest.mark.parametrize("make", [problem, plane_problem])
def test_mean_over_the_orders(make, complex_density: bool) -> None:
    case = make(complex_density=complex_density)
    engine = case.engine()
    engine.step(Update("HIO", 0.5))
    errors = InvariantErrors(case.constraints.reciprocal, np.zeros(case.geometry.radial.n_points))
    by_order = errors.by_order(engine.intensity())
    assert set(by_order) >= {2, 4, 6}
    assert np.mean(list(by_order.values())) == pytest.approx(engine.reciprocal_errors()["deg2_invariant_l2_diff"], rel=1e-9)


@pytest.mark.parametrize("make", [problem, plane_problem])
def test_errors_fall_as_the_density_comes_to_agree(make) -> None:
    case = make()
    engine = case.engine()
    errors = InvariantErrors(case.constraints.reciprocal, np.zeros(case.geometry.radial.n_points), rank=0)
    found = []
    for _ in range(40):
        engine.step(Update("ER"))
        found.append(list(errors(METRICS, engine.intensity()).values()))
    assert (np.array(found[-1]) < 0.5 * np.array(found[0])).all()
