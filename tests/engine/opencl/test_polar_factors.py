"""Polar factors on the device: against the SVD, and of matrices without full rank."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from boards import Form, board
from problems import problem

from fxs_hpc.engine.interface import Precision
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.sphere import SphereBoard

pytestmark = pytest.mark.opencl

COLUMNS = {2: 5, 4: 3, 5: 0, 6: 10}
ORTHONORMAL = {"double": 1e-13, "single": 1e-5}


def factors(made: SphereBoard, given: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Write matrices, take their factors, in the plain basis (rows m > 0 are held without sqrt 2)."""
    layout, real = made.layout.polar, made.arithmetic.real
    flat = np.zeros(made.size("matrices"), real)
    for order in layout.orders:
        block = flat[order.matrix :][: order.rows * order.width].reshape(order.rows, order.width)
        block[:, : order.columns] = given[order.l]
        block[1:] /= np.sqrt(2)
    made.write("matrices", 0, flat)
    made.set_members([(0, 0, 0, 0)])
    sizes = np.uint64(len(flat)), np.uint64(layout.scratch)
    groups = (len(layout.orders), 1, 1)
    made.run("polar_factors", groups, made.shape.polar_items, "matrices", sizes[0], "scratch", sizes[1], "polar_table", "members")
    found = made.read("matrices", 0, flat.shape, real)
    result = {}
    for order in layout.orders:
        block = found[order.matrix :][: order.rows * order.width].reshape(order.rows, order.width).copy()
        block[1:] *= np.sqrt(2)
        assert not block[:, order.columns :].any()
        result[order.l] = block[:, : order.columns]
    return result


@pytest.fixture(params=["processor", "graphics"])
def form(request: pytest.FixtureRequest) -> Form:
    return request.param


def made_board(device: Device, precision: Precision, form: Form) -> SphereBoard:
    case = problem()
    v = {l: np.ones((20, columns)) for l, columns in COLUMNS.items()}
    reciprocal = replace(case.constraints.reciprocal, projection_matrices=v)
    return board(device, replace(case, constraints=replace(case.constraints, reciprocal=reciprocal)), precision, form=form)


def graded(l: int, columns: int, rank: int, decay: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(2 * l + 1, rank)) @ rng.normal(size=(rank, columns))) * np.exp(-decay * np.arange(columns))


@pytest.mark.parametrize(("precision", "tolerance"), [("double", 1e-10), ("single", 1e-5)])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e15])
def test_factors_are_those_of_the_svd(device: Device, form: Form, precision: Precision, tolerance: float, scale: float) -> None:
    given = {l: scale * graded(l, columns, 2 * l + 1, 1.0, l) for l, columns in COLUMNS.items() if columns}
    for l, found in factors(made_board(device, precision, form), given).items():
        expected = scipy.linalg.polar(given[l])[0]
        # Small singular directions turn easily; they count by their weight in the product with V, whose columns fall off like these.
        weight = np.linalg.norm(given[l], axis=0) / np.linalg.norm(given[l])
        assert np.abs((found - expected) * weight).max() < tolerance
        assert np.abs(found.T @ found - np.eye(COLUMNS[l])).max() < ORTHONORMAL[precision]


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize(("rank", "decay"), [(0, 0.0), (1, 0.0), (2, 0.5), (3, 3.0)])
def test_factors_without_full_rank_are_completed(device: Device, form: Form, precision: Precision, rank: int, decay: float) -> None:
    given = {l: graded(l, columns, rank, decay, l) for l, columns in COLUMNS.items() if columns}
    for l, found in factors(made_board(device, precision, form), given).items():
        assert np.abs(found.T @ found - np.eye(COLUMNS[l])).max() < ORTHONORMAL[precision]
        symmetric = found.T @ given[l]
        scale = max(np.abs(given[l]).max(), 1e-30)
        assert np.abs(symmetric - symmetric.T).max() < {"double": 1e-10, "single": 1e-3}[precision] * scale
        assert np.linalg.eigvalsh((symmetric + symmetric.T) / 2).min() > -{"double": 1e-10, "single": 1e-3}[precision] * scale
