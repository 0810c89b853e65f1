"""Figures of the front end: they are drawn for full and for nearly empty results."""

import numpy as np
import pytest
from matplotlib.image import imread

from fxs_hpc.emc.evaluation import FrontEndResult, PeakComparison
from fxs_hpc.emc.truth import Population, draw
from fxs_hpc.report.front_end import ExampleFrame, plot_examples, plot_front_end


def make(frames, kept, seed=0):
    random = np.random.default_rng(seed)
    truth = draw(Population(frames, seed, 0.2, 0.1, 0.1), range(frames))
    is_kept = (truth.phi[:, 0] > 0) & kept
    peaks = []
    for frame in range(frames):
        expected = random.exponential(50, random.integers(0, 9)) * (truth.phi[frame, 0] > 0) + 5
        peaks.append(PeakComparison(expected, random.random(len(expected)) < 0.8, random.random(3) < 0.1))
    background = np.full((frames, 20), 2.0)
    found = background * random.normal(1, 0.02, background.shape)
    found[random.random(found.shape) < 0.1] = -1
    distance = np.where(truth.phi > 0, random.random(truth.phi.shape) * 0.1, np.nan)
    counts = random.integers(1, 500, frames) * is_kept
    return FrontEndResult(truth, counts, is_kept, distance, 0.05, found, background, 0.01, peaks, np.arange(frames)), counts / 100


@pytest.mark.parametrize(("frames", "kept"), [(60, True), (60, False), (1, True)])
def test_front_end_is_drawn_whatever_was_found(tmp_path, frames, kept):
    result, phi = make(frames, kept)
    plot_front_end(tmp_path / "a.png", result, np.where(result.kept, phi, np.nan) if kept else None)
    image = imread(tmp_path / "a.png")
    assert image.shape[1] > image.shape[0] > 500 and image[..., :3].std() > 0.05


def test_example_frames_are_drawn(tmp_path):
    counts = np.random.default_rng(1).poisson(2, (40, 50))
    counts[10] = -1
    some, none = np.array([[5.0, 6.0], [30.0, 40.0]]), np.zeros((0, 2))
    plot_examples(tmp_path / "a.png", [ExampleFrame("one", counts, some, some), ExampleFrame("two", counts, none, none)])
    plot_examples(tmp_path / "b.png", [ExampleFrame("bad", -np.ones((5, 5)), none, none)])
    assert imread(tmp_path / "a.png")[..., :3].std() > 0.05 and (tmp_path / "b.png").exists()
