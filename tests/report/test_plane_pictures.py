"""Pictures of fields on rings."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from fxs_hpc.report.plane import PlanePanel, cartesian, plot_plane

N, N_PHI, RADIUS = 40, 64, 100.0
R = (np.arange(N) + 0.5) * RADIUS / N
PHI = 2 * np.pi * np.arange(N_PHI) / N_PHI
X, Y = R[:, None] * np.cos(PHI), R[:, None] * np.sin(PHI)


def test_rows_are_y_and_columns_are_x() -> None:
    image = cartesian(2 * X + Y, R, PHI, 60.0, pixels=61)
    ticks = np.linspace(-60, 60, 61)
    # Linear along r and phi: an arc differs from its chord by r (1 - cos(pi / n_phi)).
    assert np.abs(image - (2 * ticks[None, :] + ticks[:, None])).max() < 60 * np.sqrt(5) * (1 - np.cos(np.pi / N_PHI)) + 3.1


def test_beyond_the_outermost_ring_there_is_nothing() -> None:
    image = cartesian(np.ones((N, N_PHI)), R, PHI, RADIUS, pixels=101)
    assert np.isnan(image[0, 0])
    assert np.nanmin(image) == pytest.approx(1) and np.nanmax(image) == pytest.approx(1)


def test_an_odd_number_of_angles_closes_at_the_seam() -> None:
    phi = 2 * np.pi * np.arange(33) / 33
    image = cartesian(np.cos(phi)[None] * np.ones((N, 1)), R, phi, 50.0, pixels=51)
    assert np.allclose(image[24], image[26], atol=1e-12)  # y and -y


@pytest.mark.parametrize("values", [X, np.zeros((N, N_PHI)), np.full((N, N_PHI), -1.0)])
@pytest.mark.parametrize("scale", [{}, {"diverging": True}, {"logarithmic": True}])
def test_any_field_can_be_drawn(tmp_path: Path, values: np.ndarray, scale: dict[str, bool]) -> None:
    plot_plane(tmp_path / "p.png", [PlanePanel("x", values, **scale)], R, PHI, RADIUS, "title")
    assert matplotlib.image.imread(tmp_path / "p.png").std() > 0


def test_panels_may_differ_in_their_rings(tmp_path: Path) -> None:
    panels = [PlanePanel("density", X), PlanePanel("intensity", np.exp(-R[:, None] + 0 * X), False, True, R / 1000, 0.1, "1/Å")]
    plot_plane(tmp_path / "p.png", panels, R, PHI, RADIUS)
    height, width, _ = matplotlib.image.imread(tmp_path / "p.png").shape
    assert width > 1.8 * height
