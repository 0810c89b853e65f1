"""Pictures of invariants appear, whatever the values."""

import numpy as np
import pytest
from matplotlib.image import imread

from fxs_hpc.report import invariants as pictures

Q = np.linspace(0.01, 0.3, 12)
VALUES = np.random.default_rng(0).normal(size=(7, 12, 12))
VALUES[1::2] = 0
VALUES[6] = 0


@pytest.mark.parametrize("values", [VALUES, VALUES[:1], VALUES * (1 + 1j)])
def test_pictures_are_drawn(tmp_path, values):
    matrices = [np.ones((12, 1)) for _ in values]
    pictures.plot_moduli(tmp_path / "a.png", Q, values, "$|B_l|$")
    pictures.plot_moduli(tmp_path / "b.png", Q, values[::2], "$|C_n|$", "C_n", list(range(0, len(values), 2)))
    pictures.plot_arguments(tmp_path / "c.png", Q, values, "phase")
    pictures.plot_masks(tmp_path / "d.png", Q, np.abs(values) > 0.5, "masks")
    pictures.plot_factor_errors(tmp_path / "e.png", Q, values, np.abs(values) > 0.1, matrices, "errors")
    for name in "abcde":
        image = imread(tmp_path / f"{name}.png")
        assert image[..., :3].std() > 0.01
    assert len(list(tmp_path.iterdir())) == 5
