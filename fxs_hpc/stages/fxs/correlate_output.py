"""What `correlate` writes when all patterns are summed: ccd.h5 and its pictures."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.correlate import Correlate
from fxs_hpc.files.ccd import read_any_model
from fxs_hpc.files.measured_ccd import Measured, write_measured
from fxs_hpc.files.simulated_patterns import TRUTH, read_truth
from fxs_hpc.fluctuation import pattern_correlation
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.pattern_correlation import Correlator
from fxs_hpc.fluctuation.pattern_sums import Sums
from fxs_hpc.fluctuation.patterns import Treatment
from fxs_hpc.fluctuation.photon_noise import PhotonNoise, photon_noise
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.fluctuation.preparation import pi_periodic
from fxs_hpc.fluctuation.shapes import Model
from fxs_hpc.report import patterns as pictures
from fxs_hpc.stages.duration import duration
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.pattern_job import Job, correlated


def store(
    settings: Correlate,
    context: Context,
    job: Job,
    treatment: Treatment,
    correlator: Correlator,
    sums: Sums,
    threads: int,
    started: float,
) -> None:
    """Write the result of all ranks, say what it is, link it."""
    workspace, q = context.workspace, treatment.grid.q
    target = job.folder / settings.IO.files.ccd.name
    saxs = _mean_intensity(settings, sums)
    first, second = (_kept(settings, saxs, indices) for indices in correlated(settings, q))
    points = first if np.array_equal(first, second) else np.union1d(first, second)
    phi = treatment.grid.phi
    data = CrossCorrelation(
        None, q[points], phi - phi[0], settings.wavelength, saxs[points], n_particles=_particles(settings, job), measured=True
    )
    sample = _Sample(square=np.array_equal(first, second))
    noise = photon_noise(sums.variance, treatment, correlator, threads) if settings.subtract_photon_noise and settings.correlates else None
    blocks = sample.taking(_blocks(settings, correlator, sums, noise, first, second, threads))
    write_measured(target, data, _measured(settings, job, treatment, sums, saxs, first, second), blocks)
    if settings.IO.files.ccd.options.save_pictures:
        _draw(job, settings, treatment, sums, saxs, data, sample)
    if settings.IO.files.ccd.options.save_symlink:
        workspace.link(target, workspace.file("ccd_symlink"))
    used, total = int((sums.frames.state == 1).sum()), len(sums.frames.state)
    rejected = f", {total - used} rejected" if used < total else ""
    context.say(
        f"  {used} patterns used{rejected}, {len(points)} radial points from {q[points[0]]:.4g} to {q[points[-1]]:.6g} 1/A; "
        f"{target.name}, {target.stat().st_size / 1e9:.2f} GB, after {duration(time.monotonic() - started)}"
    )


def _mean_intensity(settings: Correlate, sums: Sums) -> NDArray[np.float64]:
    """<I>(q) of every ring, NaN where nothing was measured."""
    each = settings.masks.normalisation == "each_pattern"
    total, count = (sums.means, sums.mean_count) if each else (sums.intensity, sums.coverage)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _kept(settings: Correlate, saxs: NDArray[np.float64], indices: NDArray[np.int64]) -> NDArray[np.int64]:
    return indices if settings.masks.unmeasured_q == "nan" else indices[np.isfinite(saxs[indices])]


def _blocks(
    settings: Correlate,
    correlator: Correlator,
    sums: Sums,
    noise: PhotonNoise | None,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    threads: int,
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """C of the radial points that are kept, (slice of the kept q1, values)."""
    if not settings.correlates:
        return
    held = correlator.correlated
    columns, done = np.searchsorted(held, second), 0
    for rows, values in pattern_correlation.blocks(sums, correlator, threads, noise):
        values = values[np.isin(held[rows], first)][:, columns]
        if len(values):
            yield slice(done, done + len(values)), pi_periodic(values) if settings.ccf_2p_symmetrize else values
        done += len(values)


class _Sample:
    """Keeps of the correlation what the pictures show: C(q, q, Delta), and C(q1, q2) at a quarter of the circle.

    Nothing where q1 and q2 run over other points (not `square`).
    """

    def __init__(self, square: bool) -> None:
        self._square = square
        self.equal_q: list[NDArray[np.float64]] = []
        self.quarter: list[NDArray[np.float64]] = []

    def taking(self, blocks: Iterator[tuple[slice, NDArray[np.float64]]]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """`blocks`, looked at on their way."""
        for rows, values in blocks:
            if self._square:
                self.equal_q.extend(values[row - rows.start, row] for row in range(rows.start, rows.stop))
                self.quarter.extend(values[..., values.shape[2] // 4])
            yield rows, values


def _measured(
    settings: Correlate,
    job: Job,
    treatment: Treatment,
    sums: Sums,
    saxs: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> Measured:
    q, table, compute = treatment.grid.q, sums.frames, set(settings.compute)
    arrays: dict[str, NDArray | int] = {
        "num_images_processed": int((table.state >= 0).sum()),
        "num_images_good": int((table.state == 1).sum()),
        "saxs/radial_points": q,
        "saxs/average_intensity": saxs,
        "mean_pattern": mean_image(sums).astype(np.float32),
    }
    if not np.array_equal(first, second):
        arrays |= {"radial_points_1": q[first], "radial_points_2": q[second]}
    if "is_good" in compute:
        arrays["frames/is_good"] = table.state
    if "mean_roi" in compute:
        arrays["frames/roi_mean"] = table.roi_mean
    if table.rings is not None:
        arrays["frames/average_intensity"] = table.rings
    return Measured(
        shape=(len(first), len(second), len(treatment.grid.phi)) if settings.correlates else None,
        whole=bool({"ccf_q1q2", "xcca"} & compute),
        orders=min(settings.fc_n_max, len(treatment.grid.phi)) if "ccf_q1q2_fc" in compute else 0,
        arrays=arrays,
        model=_truth(job),
    )


def mean_image(sums: Sums) -> NDArray[np.float64]:
    """Mean pattern (rows, columns), NaN where a pixel was never valid."""
    return np.divide(sums.image, sums.pixels, out=np.full_like(sums.image, np.nan), where=sums.pixels > 0)


def _truth(job: Job) -> Model | PlaneModel | None:
    """The object of simulated patterns, so that `average` can compare with it."""
    path = _truth_path(job)
    return read_any_model(path) if path.is_file() else None


def _truth_path(job: Job) -> Path:
    return job.source.resolve().parent / TRUTH


def _particles(settings: Correlate, job: Job) -> float:
    """Particles per pattern: what the settings say, else what the simulation of the patterns says, else 0."""
    if settings.n_particles or not _truth_path(job).is_file():
        return settings.n_particles
    return read_truth(_truth_path(job)).n_particles


def _draw(
    job: Job, settings: Correlate, treatment: Treatment, sums: Sums, saxs: NDArray[np.float64], data: CrossCorrelation, sample: _Sample
) -> None:
    image = mean_image(sums)
    valid = sums.pixels / max(1, int((sums.frames.state == 1).sum()))
    polar = np.where(treatment.polar_mask > 0, treatment.interpolator.values(np.nan_to_num(image)), np.nan)
    pictures.plot_mean_pattern(job.folder / "mean_pattern.png", image, valid, polar, treatment.grid.q, settings.detector_origin)
    pictures.plot_mean_intensity(job.folder / "mean_intensity.png", treatment.grid.q, saxs)
    if sample.equal_q:
        equal_q, quarter = np.array(sample.equal_q), np.array(sample.quarter)
        pictures.plot_correlation(job.folder / "correlation.png", data.q, data.delta, equal_q, quarter, data.average_intensity)
