"""The stage extract with correlations of the squared intensity."""

import h5py
import numpy as np
import pytest
from extract_stage import SILENT, found, storage
from random_correlations import ALL, ORDER, Q, invariants, path_of, random_harmonics, run, write

from fxs_hpc.errors import InputFileError
from fxs_hpc.fluctuation import squared_intensity as square


@pytest.fixture(params=[2, 3])
def dimensions(request):
    return request.param


@pytest.fixture
def home(tmp_path, dimensions):
    return write(tmp_path, dimensions)


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"I2I1_unknown_tranrform_extraction_method": "direct"},
        {"I2I1_unknown_tranrform_extraction_method": "direct", "unitary_transform": {"enforce_unitarity": True}},
    ],
)
def test_squared_intensities_and_their_transform(home, dimensions, tree):
    result, stored, second, transforms = run(home, dimensions, cross_correlation={"datasets_to_process": list(ALL)}, **tree)
    made, harmonics = invariants(dimensions), random_harmonics(dimensions)
    for name in ALL:
        for order in range(0, ORDER + 1, 2):
            size = np.abs(made[name][order]).max()
            np.testing.assert_allclose(stored[name][order], made[name][order], atol=1e-6 * size + 1e-12 * np.abs(made[name][0]).max())
    for order in range(0, ORDER + 1, 2):
        first, matrix = result.projection_matrices[order], second[order].reshape(len(Q), -1)
        expected = made["I2I1"][order]
        product = matrix @ transforms[order] @ first.conj().T
        np.testing.assert_allclose(product, expected, atol=1e-5 * np.abs(expected).max())
        unit = transforms[order] @ transforms[order].conj().T
        np.testing.assert_allclose(unit, np.eye(len(unit)), atol=1e-5)
    if dimensions == 2:
        squared = square.square_in_plane(harmonics)
        phase = np.vdot(result.projection_matrices[4], harmonics[4]) / np.vdot(*[result.projection_matrices[4]] * 2)
        np.testing.assert_allclose(second[4] * transforms[4][0, 0] * phase, squared[4], atol=1e-6 * np.abs(squared[4]).max())


def test_without_the_mean_of_the_square_it_is_solved_for(home, dimensions):
    said = []
    with h5py.File(path_of(home, dimensions), "r+") as file:
        del file["average_squared_intensity"]
    _, stored, _, _ = run(home, dimensions, said, cross_correlation={"datasets_to_process": list(ALL)})
    assert sum("average_squared_intensity" in line for line in said) == 2
    made = invariants(dimensions)
    for name in ALL:
        np.testing.assert_allclose(stored[name][0], made[name][0], atol=1e-6 * np.abs(made[name][0]).max())
        np.testing.assert_allclose(stored[name][2], made[name][2], atol=1e-6 * np.abs(made[name][0]).max())


def test_transforms_refer_to_the_matrices_that_are_stored(home, dimensions):
    """Optimised matrices are turned, and the transform with them."""
    options = {"use": True, "n_iterations": 5}
    result, stored, second, transforms = run(
        home, dimensions, cross_correlation={"datasets_to_process": list(ALL)}, optimize_projection_matrices=options
    )
    for order in range(0, ORDER + 1, 2):
        first, matrix = result.projection_matrices[order], second[order].reshape(len(Q), -1)
        np.testing.assert_allclose(
            matrix @ transforms[order] @ first.conj().T, stored["I2I1"][order], atol=1e-5 * np.abs(stored["I2I1"][order]).max()
        )


def spoil(home, dimensions, name):
    """Values of a data set next to Delta = 0 become nonsense; a mask of them is written."""
    with h5py.File(path_of(home, dimensions), "r+") as file:
        values = file[f"cross_correlation/{name}"]
        valid = np.ones(values.shape, bool)
        valid[np.arange(len(Q)), np.arange(len(Q)), 0] = False
        np.save(home / "mask.npy", valid)
        values[...] = np.where(valid, values[()], 1e9 * np.abs(values[()]).max())


ONE_ANGLE = {"n_masked_pixels_phi": 0.09, "n_masked_pixels_q": 0.0}
MASKS = [
    {"type": "direct", "direct": {"path": "mask.npy"}},
    {"type": "pixel_arc", "pixel_arc": {"pixel_size": 400.0}},
    {"type": "pixel_flat", "pixel_flat": {"pixel_size": 400.0}},
    {"type": "pixel_custom", "pixel_custom": ONE_ANGLE},
]


@pytest.mark.parametrize("name", ["I2I1", "I2I2"])
@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: mask["type"])
def test_every_data_set_has_its_own_mask(home, dimensions, name, mask):
    spoil(home, dimensions, name)
    expected = invariants(dimensions)[name]
    for given, good in (({"cc_mask": mask}, True), ({}, False)):
        sets = {name: {"bl_extraction_method": "lstsq", **given}}
        _, stored, _, _ = run(home, dimensions, cross_correlation={"datasets_to_process": list(ALL), "datasets": sets})
        deviation = np.abs(stored[name][2] - expected[2]).max() / np.abs(expected[2]).max()
        assert (deviation < 1e-5) == good


@pytest.mark.parametrize("name", ["I2I1", "I2I2"])
def test_every_data_set_has_its_own_preparation(home, dimensions, name):
    """Half of the circle is nonsense; the rest of it is the other half shifted by pi, if C is pi-periodic."""
    with h5py.File(path_of(home, dimensions), "r+") as file:
        values = file[f"cross_correlation/{name}"]
        changed = values[()]
        changed[..., : changed.shape[2] // 4] = 0
        values[...] = changed
    deviations = []
    for periodic in (True, False):
        options = {"modify_cc": {"pi_periodicity": periodic, "subtract_average_intensity": False}, "assume_zero_odd_orders": False}
        tree = {"datasets_to_process": list(ALL), "datasets": {name: options}}
        _, stored, _, _ = run(home, dimensions, cross_correlation=tree)
        expected = invariants(dimensions)[name][2]
        deviations.append(np.abs(stored[name][2] - expected).max() / np.abs(expected).max())
    # On the curved sphere C is pi-periodic only where q is small.
    assert deviations[0] < (1e-9 if dimensions == 2 else 0.2)
    assert deviations[1] > 0.5


def test_psd_and_masked_zeros_of_the_square(home, dimensions):
    spoil(home, dimensions, "I2I2")
    options = {"cc_mask": MASKS[0], "masked_values_to_zero": True, "bl_enforce_psd": True, "modify_cc": {"q1q2_symmetric": True}}
    tree = {"datasets_to_process": list(ALL), "datasets": {"I2I2": options, "I2I1": {"masked_values_to_zero": True}}}
    _, stored, _, _ = run(home, dimensions, cross_correlation=tree)
    size = np.abs(stored["I2I2"][0]).max()
    assert min(np.linalg.eigvalsh(matrix)[0] for matrix in stored["I2I2"]) > -1e-12 * size
    assert size < 10 * np.abs(invariants(dimensions)["I2I2"][0]).max()


def test_every_data_set_has_its_own_limits(home, dimensions):
    line = {"type": "line", "line": [[0, 0.1], [6, 0.2]]}
    sets = {"I2I1": {"bl_q_limits": {"min": line}}, "I2I2": {"bl_q_limits": {"max": line}}}
    tree = {"dimensions": dimensions, "structure_name": "noise", "max_order": ORDER}
    folder, result = found(home, cross_correlation={"datasets_to_process": list(ALL), "datasets": sets}, **tree)
    with h5py.File(folder / "proj_data.h5") as file:
        limits = {name: file[f"deg_2_invariant_q_id_limits/{name}"][()] for name in ALL}
        masks = file["deg_2_invariant_masks/I2I1"][()]
        second = file["data_projection_matrices/I2I2/6"][()]
    np.testing.assert_array_equal(result.q_id_limits, [[0, len(Q)]] * (ORDER + 1))
    for order in range(ORDER + 1):
        inside = Q >= 0.1 + order / 60 - 1e-12
        np.testing.assert_array_equal(masks[order], np.outer(inside, inside))
        assert tuple(limits["I2I1"][order, 0]) == (np.argmax(inside), len(Q))
        assert tuple(limits["I2I2"][order, 1]) == (0, np.count_nonzero(Q <= 0.1 + order / 60 + 1e-12))
    assert not second[limits["I2I2"][6, 0, 1] :].any()


def test_pictures_of_all_data_sets(home, dimensions):
    option = "plot_first_invariants_from_proj_matrices" if dimensions == 2 else "plot_first_ccn"
    tree = {"dimensions": dimensions, "structure_name": "noise", "max_order": 2, "IO": storage(**{**SILENT, option: True})}
    folder, _ = found(home, cross_correlation={"datasets_to_process": list(ALL)}, **tree)
    in_plane = {"first_I1I1_proj_matrices_to_Bl", "first_I2I2_proj_matrices_to_Bl"}
    assert {path.stem for path in folder.glob("*.png")} == (in_plane if dimensions == 2 else {f"first_{name}_Cn" for name in ALL})


def test_missing_data_sets_are_named(home, dimensions):
    with h5py.File(path_of(home, dimensions), "r+") as file:
        del file["cross_correlation/I2I1"]
    with pytest.raises(InputFileError, match="no field cross_correlation/I2I1"):
        run(home, dimensions, cross_correlation={"datasets_to_process": list(ALL)})
