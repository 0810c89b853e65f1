"""correlate: scattering patterns -> angular cross-correlations.

Patterns are read, treated and summed batch by batch, over threads within a rank and over MPI ranks; nothing of a batch is kept but sums.
They are saved between batches, often enough that a kill costs one batch or ten times as long as it takes to save them, whichever is more,
and seldom enough that saving takes no more than a tenth of the time.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.correlate import Correlate
from fxs_hpc.errors import DataError
from fxs_hpc.files import correlation_checkpoint
from fxs_hpc.files.checkpoint import CHECKPOINTS
from fxs_hpc.files.lock import locked
from fxs_hpc.files.pattern_lists import PatternReader
from fxs_hpc.fluctuation.pattern_correlation import Correlator
from fxs_hpc.fluctuation.pattern_sums import MEANS, FrameTable, Sums
from fxs_hpc.fluctuation.patterns import PolarPattern, Treatment, treated
from fxs_hpc.parallel import partition
from fxs_hpc.parallel.communicator import first
from fxs_hpc.parallel.threads import over
from fxs_hpc.stages.cores import available_memory, limited
from fxs_hpc.stages.emc.progress import shown
from fxs_hpc.stages.fxs import pattern_job
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.correlate_output import store
from fxs_hpc.stages.fxs.pattern_inputs import patterns_of
from fxs_hpc.stages.fxs.pattern_job import Job
from fxs_hpc.stages.profiling import profiled

PARALLEL = True
"""All ranks take part."""

_SAVING = 10
"""Time between two checkpoints, in units of the time that writing one takes."""
_DISK = 2e8
"""Bytes per second that are written, until the first checkpoint tells."""
_PATTERN_COPIES = 3


def plan(settings: Correlate, context: Context) -> Plan:
    """Memory and disk that `run` needs, in bytes; looks into the list of patterns."""
    source, patterns = patterns_of(settings, context)
    points = pattern_job.grid(settings)
    n_first, n_second = (len(part) for part in pattern_job.correlated(settings, points.q))
    n_phi, n_q = len(points.phi), len(points.q)
    together = max(n_first, n_second)
    sums = 8 * (n_phi // 2 + 1) * together**2 if settings.correlates else 0
    masked = settings.intensity_pixel_threshold[0] or settings.intensity_radial_pixel_filter[0]
    deviating = (12 * n_phi * together**2 if settings.masks.normalisation == "each_pattern" else sums) if masked else 0
    noise = sums if settings.subtract_photon_noise else 0
    batch = _batch(settings, len(patterns), n_phi, n_q) * _bytes_each(settings, n_phi, n_q)
    result = 8 * n_phi * n_first * n_second if {"ccf_q1q2", "xcca"} & set(settings.compute) else 0
    lines = (
        f"{len(patterns)} patterns of {settings.image_dimensions[0]} x {settings.image_dimensions[1]} pixels from {source.name}",
        f"{n_q} rings from {points.q[0]:.4g} to {points.q[-1]:.6g} 1/A, {n_phi} angles; correlation {n_first} x {n_second} x {n_phi}",
        f"memory is that of each rank; it saves its sums ({sums / 1e6:.0f} MB) between batches",
    )
    weights = 16 * (settings.interpolation_order + 1) * n_phi * n_q
    return Plan(500_000_000 + sums + deviating + noise + batch + weights, result + sums + deviating, lines)


def run(settings: Correlate, context: Context) -> Path:
    """Correlate on all ranks, write ccd.h5 on rank 0; returns the result folder."""
    started, ranks = time.monotonic(), context.ranks
    with ExitStack() as stack:
        job = first(ranks, lambda: pattern_job.job(settings, context))
        if ranks.rank == 0:
            stack.enter_context(locked(job.folder))
        treatment = first(ranks, lambda: pattern_job.treatment(settings, context))
        correlator = pattern_job.correlator(settings, treatment)
        _announce(settings, context, job, treatment)
        sums = _before(settings, context, job, treatment, correlator)
        watched = _watched(settings, context)
        threads = stack.enter_context(limited(1 if watched else _threads(settings, context)))
        with profiled(job.folder / "profile.pstats" if watched else None):
            _sum_up(settings, context, job, treatment, correlator, sums, threads)
        _over_ranks(sums, context)
        first(ranks, lambda: _check(sums))
        if ranks.rank == 0:
            store(settings, context, job, treatment, correlator, sums, threads, started)
        ranks.barrier()
        first(ranks, lambda: _remove_checkpoints(job.folder))
    return job.folder


def _watched(settings: Correlate, context: Context) -> bool:
    """Whether this rank is profiled."""
    return settings.profile.use and context.ranks.rank == min(settings.profile.process_id, context.ranks.size - 1)


def _threads(settings: Correlate, context: Context) -> int:
    given = settings.n_processes
    return context.threads if isinstance(given, bool) else min(given, context.threads)


def _bytes_each(settings: Correlate, n_phi: int, n_q: int) -> int:
    """Of one pattern of a batch."""
    pixels = settings.image_dimensions[0] * settings.image_dimensions[1]
    return 8 * (_PATTERN_COPIES * n_phi * n_q + 2 * pixels)


def _batch(settings: Correlate, count: int, n_phi: int, n_q: int) -> int:
    """Patterns in a batch; where all are wanted at once as many as a quarter of the memory bears."""
    bearable = max(1, int(0.25 * available_memory() / _bytes_each(settings, n_phi, n_q)))
    return max(1, min(settings.batch_size or bearable, count))


def _announce(settings: Correlate, context: Context, job: Job, treatment: Treatment) -> None:
    points = treatment.grid
    context.say(f"  {len(job.patterns)} patterns from {job.source.name}, {settings.image_dimensions[0]} x {settings.image_dimensions[1]}")
    measured = treatment.polar_mask.any(axis=0)
    context.say(
        f"  {len(points.q)} rings from {points.q[0]:.4g} to {points.q[-1]:.6g} 1/A, {len(points.phi)} angles; "
        f"{treatment.polar_mask.mean():.1%} of the points are valid"
    )
    if not measured.all():
        context.say(f"  note: {np.count_nonzero(~measured)} rings have no valid pixel")


def _before(settings: Correlate, context: Context, job: Job, treatment: Treatment, correlator: Correlator) -> Sums:
    """What this rank starts from: nothing, or checkpoints of earlier ranks with its number (modulo the number of ranks)."""
    n_phi, n_q = treatment.polar_mask.shape
    table = FrameTable.empty(len(job.patterns), n_q if "waxs" in settings.compute else None)
    sums = Sums.zero(n_phi, len(correlator.correlated), n_q, settings.image_dimensions, table)
    ranks = context.ranks
    mine = [path for path in job.checkpoints if correlation_checkpoint.rank_of(path) % ranks.size == ranks.rank]
    for path in mine:
        sums.absorb(correlation_checkpoint.read_sums(path))
    own = correlation_checkpoint.path_of(job.folder, ranks.rank)
    if [path for path in mine if path != own]:
        correlation_checkpoint.write_sums(own, sums, job.fingerprint)
    for path in mine:
        if path != own:
            path.unlink()
    return sums


def _share(settings: Correlate, context: Context, count: int) -> NDArray[np.int64]:
    """Numbers of the patterns of this rank."""
    ranks = context.ranks
    if settings.split_mode == "modulus":
        return np.array(partition.interleaved(count, ranks.rank, ranks.size), np.int64)
    return np.arange(*partition.block(count, ranks.rank, ranks.size))


def _sum_up(
    settings: Correlate, context: Context, job: Job, treatment: Treatment, correlator: Correlator, sums: Sums, threads: int
) -> None:
    count = len(job.patterns)
    done = np.any(context.ranks.all_gather(sums.frames.state >= 0), axis=0)
    if done.any():
        context.say(f"  {np.count_nonzero(done)} patterns were correlated before")
    mine = _share(settings, context, count)
    size = _batch(settings, len(mine), *treatment.polar_mask.shape)
    batches = [part for start in range(0, len(mine), size) if len(part := mine[start : start + size][~done[mine[start : start + size]]])]
    saver = _Saver(correlation_checkpoint.path_of(job.folder, context.ranks.rank), job.fingerprint, sums.spectra.nbytes / _DISK)
    for batch in shown(_treated(batches, job, treatment, threads), len(batches), "patterns", context.ranks, context.say):
        correlator.add(sums, batch, threads)
        saver.after(sums)


def _treated(batches: list[NDArray[np.int64]], job: Job, treatment: Treatment, threads: int) -> Iterator[list[tuple[int, PolarPattern]]]:
    reader = PatternReader(job.patterns)

    def prepare(number: int) -> tuple[int, PolarPattern]:
        return number, treated(reader.read(number), treatment, job.patterns.names[number])

    for batch in batches:
        yield over(prepare, batch.tolist(), threads)


class _Saver:
    """Saves sums after a batch, when it is time."""

    def __init__(self, path: Path, fingerprint: str, cost: float) -> None:
        self._path, self._fingerprint = path, fingerprint
        self._last, self._cost = time.monotonic(), cost

    def after(self, sums: Sums) -> None:
        """A batch has been added to `sums`."""
        begin = time.monotonic()
        if begin - self._last < _SAVING * self._cost:
            return
        correlation_checkpoint.write_sums(self._path, sums, self._fingerprint)
        self._last = time.monotonic()
        self._cost = self._last - begin


def _over_ranks(sums: Sums, context: Context) -> None:
    """Add the sums of all ranks; every rank then has the total."""
    ranks = context.ranks
    if ranks.size == 1:
        return
    for other in ranks.all_gather(sums.frames):
        sums.frames.absorb(other)
    sums.regular = sum(ranks.all_gather(sums.regular))
    for name in MEANS:
        setattr(sums, name, ranks.sum(getattr(sums, name)))
    for name in ("spectra", "mask_spectra", "ratios", "counts"):
        array = getattr(sums, name)
        shapes = [shape for shape in ranks.all_gather(None if array is None else (array.shape, array.dtype)) if shape is not None]
        if shapes:
            array = np.zeros(*shapes[0]) if array is None else array
            for part in array:
                part[...] = ranks.sum(part)
            setattr(sums, name, array)


def _check(sums: Sums) -> None:
    state, means = sums.frames.state, sums.frames.roi_mean
    if not (state == 1).any():
        finite = means[np.isfinite(means)]
        span = f"from {finite.min():.4g} to {finite.max():.4g}" if len(finite) else "not known: no valid pixel lies in the region"
        raise DataError(
            f"none of the {len(state)} patterns was accepted; their means in the region of interest are {span}; see ROI_mean_filter"
        )


def _remove_checkpoints(folder: Path) -> None:
    for path in folder.glob(CHECKPOINTS):
        path.unlink()
