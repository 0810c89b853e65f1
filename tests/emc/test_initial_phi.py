"""Scale factors to start from."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.emc.initial_phi import initial_phi


def test_mean_photons_of_the_patches_that_are_not_diffuse():
    sizes = [np.array([2, 3, 50]), np.array([2]), np.array([99])]
    photons = [np.array([10, 30, 9999]), np.array([40]), np.array([7])]
    np.testing.assert_allclose(initial_phi(sizes, photons, 30), np.array([20, 40, 0]) / 20, rtol=1e-15)


def test_frames_without_any_peak_get_equal_factors():
    assert list(initial_phi([np.empty(0, int)] * 3, [np.empty(0, int)] * 3, 30)) == [1, 1, 1]


@given(st.lists(st.lists(st.tuples(st.integers(2, 40), st.integers(1, 10**6)), min_size=1, max_size=5), min_size=1, max_size=20))
def test_mean_is_one(frames):
    phi = initial_phi([np.array(f)[:, 0] for f in frames], [np.array(f)[:, 1] for f in frames], 30)
    assert abs(phi.mean() - 1) < 1e-12 and (phi >= 0).all()
