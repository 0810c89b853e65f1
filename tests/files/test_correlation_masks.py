"""Masks of correlations from files."""

import h5py
import numpy as np
import pytest

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.correlation_masks import read_mask

SHAPE = (3, 3, 8)
MASK = np.random.default_rng(0).random(SHAPE) > 0.5


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5", "b.h5"])
def test_masks_come_from_several_kinds_of_files(tmp_path, name):
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, MASK.astype(np.uint8))
    elif name == "a.npz":
        np.savez(path, mask=MASK)
    else:
        with h5py.File(path, "w") as file:
            file["mask" if name == "a.h5" else "cross_correlation_mask/I1I1"] = MASK
    np.testing.assert_array_equal(read_mask(path, "I1I1", SHAPE), MASK)


def test_smaller_masks_are_stretched(tmp_path):
    np.save(tmp_path / "angles.npy", MASK[0, 0])
    np.save(tmp_path / "pairs.npy", MASK[..., :1])
    np.testing.assert_array_equal(read_mask(tmp_path / "angles.npy", "I1I1", SHAPE)[2, 1], MASK[0, 0])
    assert (read_mask(tmp_path / "pairs.npy", "I1I1", SHAPE) == MASK[..., :1]).all()


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(InputFileError, match=r"cc_mask.direct.path of I2I2"):
        read_mask(tmp_path / "absent.npy", "I2I2", SHAPE)
    np.save(tmp_path / "a.npy", MASK)
    with pytest.raises(InputFileError, match=r"\(3, 3, 8\), the correlation I1I1 has \(4, 4, 8\)"):
        read_mask(tmp_path / "a.npy", "I1I1", (4, 4, 8))
    np.savez(tmp_path / "a.npz", other=MASK)
    with pytest.raises(InputFileError, match="mask"):
        read_mask(tmp_path / "a.npz", "I1I1", SHAPE)
    (tmp_path / "a.txt").write_text("1 0 1")
    with pytest.raises(InputFileError, match=r"\.npy, \.npz, \.h5"):
        read_mask(tmp_path / "a.txt", "I1I1", SHAPE)
    (tmp_path / "broken.h5").write_text("")
    with pytest.raises(InputFileError, match="holds no mask"):
        read_mask(tmp_path / "broken.h5", "I1I1", SHAPE)
