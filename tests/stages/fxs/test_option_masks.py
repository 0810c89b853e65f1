"""Options of masks one by one: those of correlate against other inputs that must do the same, those of extract by what they hide."""

import h5py
import numpy as np
import pytest
from random_correlations import Q, invariants, path_of, write
from random_correlations import run as extracted
from shots import CORRELATE, SHAPE, context, merged, write_patterns

from fxs_hpc.stages.fxs import correlate

MASKED = {"use_binary_mask": True, "intensity_pixel_threshold": [True, -1.0, 1000.0]}


def correlated(home, **masks):
    """C and the q that it is of."""
    settings, surroundings = context("correlate", merged(CORRELATE, {**MASKED, "masks": masks}), home)
    with h5py.File(correlate.run(settings, surroundings) / "ccd.h5") as file:
        return file["cross_correlation/I1I1"][()], file["radial_points"][()]


def store(home, images):
    for number, image in enumerate(images):
        image.astype("<f4").tofile(home / f"data/fxs/input_files/p{number}.raw")


def test_nan_pixels(tmp_path):
    images = write_patterns(tmp_path)
    masked, as_zero = correlated(tmp_path)[0], correlated(tmp_path, nan_pixels="zero")[0]
    store(tmp_path, np.nan_to_num(images))
    np.testing.assert_array_equal(as_zero, correlated(tmp_path)[0])
    store(tmp_path, np.where(np.isnan(images), -5.0, images))
    np.testing.assert_array_equal(masked, correlated(tmp_path)[0])
    assert np.abs(masked / as_zero - 1).max() > 1e-3


def test_edges(tmp_path):
    """A flat pattern with nonsense behind its mask: interpolated and rounded masks let some of it pass."""
    write_patterns(tmp_path)
    mask = np.fromfile(tmp_path / "data/fxs/input_files/mask.raw", "<f4").reshape(SHAPE)
    store(tmp_path, [np.where(mask > 0, 3.0, 900.0)] * 11)
    exact, rounded = (np.nanmax(np.abs(correlated(tmp_path, edges=edges)[0] / 9 - 1)) for edges in ("exact", "rounded"))
    assert exact < 2e-3 and rounded > 0.1


def test_unmeasured_q(tmp_path):
    write_patterns(tmp_path)
    (left_out, q), (with_nan, all_q) = correlated(tmp_path), correlated(tmp_path, unmeasured_q="nan")
    kept = np.isin(all_q, q)
    assert 0 < np.count_nonzero(~kept) and np.isnan(with_nan[~kept]).all() and np.isnan(with_nan[:, ~kept]).all()
    np.testing.assert_array_equal(with_nan[np.ix_(kept, kept)], left_out)


ONE_ANGLE = {"n_masked_pixels_phi": 0.09, "n_masked_pixels_q": 0.0}
KINDS = {"pixel_arc": {"pixel_size": 400.0}, "pixel_flat": {"pixel_size": 400.0}, "pixel_custom": ONE_ANGLE}


@pytest.mark.parametrize("name", ["I1I1", "I2I1", "I2I2"])
@pytest.mark.parametrize("kind", KINDS)
def test_masks_on_the_other_side(tmp_path, kind, name):
    """Values next to Delta = 0 and pi are nonsense, which only a mask at both hides."""
    home, shells = write(tmp_path, 3), np.arange(len(Q))
    with h5py.File(path_of(home, 3), "r+") as file:
        values = file[f"cross_correlation/{name}"]
        changed = values[()]
        changed[shells, shells, 0] = changed[shells, shells, changed.shape[2] // 2] = 1e9 * np.abs(changed).max()
        values[...] = changed
    expected, deviations = invariants(3)[name][2], []
    for mask_at_pi in (True, False):
        mask = {"type": kind, kind: {**KINDS[kind], "mask_at_pi": mask_at_pi}}
        sets = {"datasets_to_process": ["I1I1", "I2I1", "I2I2"], "datasets": {name: {"bl_extraction_method": "lstsq", "cc_mask": mask}}}
        _, stored, _, _ = extracted(home, 3, cross_correlation=sets)
        deviations.append(np.abs(stored[name][2] - expected).max() / np.abs(expected).max())
    assert deviations[0] < 1e-5 < 1 < deviations[1]
