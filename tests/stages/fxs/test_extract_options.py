"""Options of the stage extract: counted pairs, other names of fields, masks, places, spellings."""

import h5py
import numpy as np
import pytest
from extract_stage import SILENT, stage, storage
from random_correlations import ALL, ORDER, path_of, run, write

from fxs_hpc.config.settings import assembled
from fxs_hpc.errors import InputFileError, SettingsError
from fxs_hpc.stages.fxs import extract
from fxs_hpc.stages.fxs.finished import finished


@pytest.fixture(params=[2, 3])
def dimensions(request):
    return request.param


@pytest.fixture
def home(tmp_path, dimensions):
    return write(tmp_path, dimensions)


def test_fields_of_older_files_may_have_other_names(home, dimensions):
    plain, *_ = run(home, dimensions)
    with h5py.File(path_of(home, dimensions), "r+") as file:
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
    path = path_of(home, dimensions)
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
    with h5py.File(path_of(home, dimensions)) as file:
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
