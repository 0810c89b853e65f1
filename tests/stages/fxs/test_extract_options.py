"""Options of the stage extract: squared intensities, counted pairs, other names of fields, masks, spellings."""

import h5py
import numpy as np
import pytest
from extract_stage import SILENT, found, stage, storage

from fxs_hpc.config.settings import assembled
from fxs_hpc.errors import InputFileError, SettingsError
from fxs_hpc.files.ccd import write_ccd
from fxs_hpc.fluctuation import plane_scattering
from fxs_hpc.fluctuation import squared_intensity as square
from fxs_hpc.fluctuation.correlation import CrossCorrelation, correlation_angles, correlation_blocks
from fxs_hpc.fluctuation.invariants import invariants_of
from fxs_hpc.stages.fxs import extract
from fxs_hpc.stages.fxs.finished import finished

ORDER, WAVELENGTH = 6, 3.0
Q = np.linspace(0.05, 0.3, 14)
ALL = ("I1I1", "I2I1", "I2I2")


def random_harmonics(dimensions):
    """Centrosymmetric intensities with independent harmonics, and how they are squared, mixed and correlated."""
    rng = np.random.default_rng(2)
    if dimensions == 2:
        harmonics = rng.normal(size=(ORDER + 1, len(Q), 2)) @ [1, 1j]
        harmonics[1::2] = 0
        harmonics[0] = 20
        return harmonics
    coef = rng.normal(size=(ORDER + 1, ORDER + 1, 2, len(Q)))
    coef[0, :, 1] = 0
    for m in range(ORDER + 1):
        coef[m, :m] = 0
    coef[:, 1::2] = 0
    coef[0, 0, 0] = 30
    return coef


def invariants(dimensions):
    harmonics = random_harmonics(dimensions)
    if dimensions == 2:
        squared = square.square_in_plane(harmonics)
        own = plane_scattering.invariants_of
        return {"I1I1": own(harmonics), "I2I1": square.mixed_in_plane(squared, harmonics), "I2I2": own(squared)}
    squared = square.square_in_space(harmonics)
    return {"I1I1": invariants_of(harmonics), "I2I1": square.mixed_in_space(squared, harmonics), "I2I2": invariants_of(squared)}


def correlated(dimensions, values):
    if dimensions == 2:
        return np.concatenate([block for _, block in plane_scattering.correlation_blocks(values, 4 * ORDER)])
    return np.concatenate([block for _, block in correlation_blocks(values, Q, WAVELENGTH)])


def mean(dimensions, b_zero):
    return np.sqrt(np.diagonal(b_zero).real / (4 * np.pi if dimensions == 3 else 1))


@pytest.fixture(params=[2, 3])
def dimensions(request):
    return request.param


@pytest.fixture
def home(tmp_path, dimensions):
    made = invariants(dimensions)
    correlation = {name: correlated(dimensions, values) for name, values in made.items()}
    delta = 2 * np.pi * np.arange(4 * ORDER) / (4 * ORDER) if dimensions == 2 else correlation_angles(ORDER)
    squared = mean(dimensions, made["I2I2"][0])
    data = CrossCorrelation(
        dimensions, Q, delta, WAVELENGTH, mean(dimensions, made["I1I1"][0]), correlation, average_squared_intensity=squared
    )
    write_ccd(tmp_path / f"data/fxs/ccd/{dimensions}d_noise.h5", data)
    return tmp_path


def run(home, dimensions, said=None, **tree):
    folder, result = found(home, said, **{"dimensions": dimensions, "structure_name": "noise", "max_order": ORDER, **tree})
    with h5py.File(folder / "proj_data.h5") as file:
        transforms = [file[f"unknown_transforms/I2I1/{n}"][()] for n in range(ORDER + 1)] if "unknown_transforms" in file else []
        stored = {name: file[f"deg_2_invariant/{name}"][()] for name in ALL if f"deg_2_invariant/{name}" in file}
        second = [file[f"data_projection_matrices/I2I2/{n}"][()] for n in range(ORDER + 1)] if len(stored) == 3 else []
    return result, stored, second, transforms


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
    with h5py.File(home / f"data/fxs/ccd/{dimensions}d_noise.h5", "r+") as file:
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
    with h5py.File(home / f"data/fxs/ccd/{dimensions}d_noise.h5", "r+") as file:
        del file["cross_correlation/I2I1"]
    with pytest.raises(InputFileError, match="no field cross_correlation/I2I1"):
        run(home, dimensions, cross_correlation={"datasets_to_process": list(ALL)})


def test_fields_of_older_files_may_have_other_names(home, dimensions):
    plain, *_ = run(home, dimensions)
    with h5py.File(home / f"data/fxs/ccd/{dimensions}d_noise.h5", "r+") as file:
        file.move("radial_points", "q")
        file.move("cross_correlation/I1I1", "ccf")
        del file["cross_correlation"]
    with pytest.raises(InputFileError, match="cross_correlation"):
        run(home, dimensions)
    options = {"type": "legacy", "fields": {"radial_points": "q", "cross_correlation/I1I1": "ccf"}}
    storage_ = storage(**SILENT)
    storage_["files"]["ccd"] = {"options": options}
    renamed, *_ = run(home, dimensions, IO=storage_)
    np.testing.assert_array_equal(renamed.invariants, plain.invariants)


def solver(**options):
    return {"datasets": {"I1I1": options}}


def test_counted_pairs_are_weighed(home, dimensions):
    """Poisson numbers of pairs: the weighted solution is nearer to the truth. Exact data are not changed."""
    path = home / f"data/fxs/ccd/{dimensions}d_noise.h5"
    exact, *_ = run(home, dimensions, cross_correlation=solver(bl_extraction_method="lstsq"))
    weigh = {"assume_poisson_noise": True, **solver(bl_extraction_method="lstsq")}
    same, *_ = run(home, dimensions, cross_correlation=weigh)
    for order in range(0, ORDER + 1, 2):
        size = np.abs(exact.invariants[order]).max()
        np.testing.assert_allclose(same.invariants[order], exact.invariants[order], atol=1e-6 * size)
    with h5py.File(path, "r+") as file:
        values = file["cross_correlation/I1I1"]
        values[...] = np.random.default_rng(0).poisson(values[()].clip(0)).astype(float)
    plain, *_ = run(home, dimensions, max_order=2, cross_correlation=solver(bl_extraction_method="lstsq"))
    weighted, *_ = run(home, dimensions, max_order=2, cross_correlation=weigh)
    assert np.abs(weighted.invariants[2] - plain.invariants[2]).max() > 1e-6 * np.abs(plain.invariants[2]).max()


def test_masked_values_may_count_as_zero(home, dimensions):
    with h5py.File(home / f"data/fxs/ccd/{dimensions}d_noise.h5") as file:
        shape = file["cross_correlation/I1I1"].shape
    valid = np.ones(shape, bool)
    valid[2, 3] = valid[3, 2] = False
    np.savez(home / "mask.npz", mask=valid)
    options = {"masked_values_to_zero": True, "cc_mask": {"type": "direct", "direct": {"path": "mask.npz"}}}
    result, *_ = run(home, dimensions, cross_correlation=solver(**options))
    tree = {"dimensions": dimensions, "structure_name": "noise", "max_order": ORDER, "cross_correlation": solver(**options)}
    assert finished("extract", *stage(home, **tree)) is not None
    np.savez(home / "mask.npz", mask=np.ones(shape, bool))
    assert finished("extract", *stage(home, **tree)) is None
    plain, *_ = run(home, dimensions)
    assert not result.invariants[2:, 2, 3].any()
    np.testing.assert_array_equal(result.invariants[:, 5, 6], plain.invariants[:, 5, 6])


def test_results_lie_where_the_settings_say(home, dimensions):
    places = {
        "folders": {"mine": {"data": "mine/{structure_name}_{run}/"}, "links": {"data": "links/"}, "ccd": {"data": "ccd/"}},
        "files": {
            "ccd": {"name": "noise.h5", "folder": "ccd"},
            "invariants": {"name": "b.h5", "folder": "mine", "options": SILENT},
            "invariant_symlink": {"name": "newest.h5", "folder": "links"},
        },
    }
    folder = extract.run(*stage(home, dimensions=dimensions, structure_name="noise", max_order=2, IO=places))
    assert folder == home / "data/fxs/mine/noise_0"
    assert (home / "data/fxs/links/newest.h5").resolve() == folder / "b.h5"


def test_spellings():
    def method(name):
        tree = {"cross_correlation": {"datasets": {"I1I1": {"bl_extraction_method": name, "cc_mask": {"type": "custom"}}}}}
        found_settings = assembled("extract", tree).model.cross_correlation.datasets.I1I1
        assert found_settings.cc_mask.type == "pixel_custom"
        return found_settings.bl_extraction_method

    assert method("inverse") == "lstsq"
    assert method("legendre_approx") == "legendre"


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"cross_correlation": {"datasets_to_process": ["I1I1", "I2I2"]}}, "needs all three"),
        ({"cross_correlation": {"assume_poisson_noise": True}}, "bl_extraction_method: lstsq"),
        ({"cross_correlation": {"datasets": {"I2I1": {"modify_cc": {"q1q2_symmetric": True}}}}}, "I2I1.modify_cc.q1q2_symmetric"),
        ({"cross_correlation": {"datasets": {"I1I1": {"cc_mask": {"type": "direct"}}}}}, "direct.path"),
        ({"dimensions": 2, "cross_correlation": solver(bl_extraction_method="legendre")}, "legendre does not exist in 2D"),
        ({"IO": {"files": {"ccd": {"options": {"type": "legacy"}}}}}, "type legacy goes with `fields`"),
        ({"IO": {"files": {"ccd": {"options": {"type": "legacy", "fields": {"radial": "q"}}}}}}, "the field 'radial' is unknown"),
        ({"extraction_mode": "shapes", "n_particles": 2, "cross_correlation": {"datasets_to_process": list(ALL)}}, "n_particles"),
    ],
)
def test_what_cannot_be_is_refused(tree, message):
    with pytest.raises(SettingsError, match=message.replace("(", r"\(")):
        assembled("extract", tree)
