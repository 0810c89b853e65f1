"""`evaluate-front-end`: what the stages up to reduce-data found in simulated frames, held against the truth; a table and figures."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Background, Frames
from fxs_hpc.config.emc.orientation import Rotations
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.evaluation import (
    FrontEndResult,
    PeakComparison,
    centres,
    compare_peaks,
    distance_to_candidates,
    radial_truth,
    visible_peaks,
)
from fxs_hpc.emc.quaternions import angular_step
from fxs_hpc.emc.simulation import Experiment, random_faults
from fxs_hpc.emc.truth import CRYSTALS, Kind, Truth
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import basis, peaks, quaternions, radial_background, sym_op
from fxs_hpc.files.emc import candidates as candidate_files
from fxs_hpc.files.emc import truth as truth_file
from fxs_hpc.files.emc.file_lists import FileLists
from fxs_hpc.files.emc.truth import StoredTruth
from fxs_hpc.files.frames import FrameSource
from fxs_hpc.parallel.communicator import first
from fxs_hpc.parallel.partition import interleaved
from fxs_hpc.report.front_end import NAMES, ExampleFrame, plot_examples, plot_front_end
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.reduce_data import pixel_index
from fxs_hpc.stages.emc.simulated_experiment import shared_raster

Item = TypeVar("Item")
FOLDER = "simulate-frames"


def run(context: Context, truth: Path | None = None, compared: int = 300) -> None:
    """Print a table and write front-end.png and frames.png into simulate-frames/.

    Parameters
    ----------
    truth : Path, optional
        truth.h5 or truth.npz of the frames; by default that of simulate-frames.
    compared : int
        Most frames whose peaks are looked at one by one.
    """
    scene = _Scene(context, truth or context.home / FOLDER / "truth.h5")
    result = _result(context, scene, compared)
    if context.ranks.rank:
        return
    for line in table(result):
        context.say(line)
    folder = context.home / FOLDER
    plot_front_end(folder / "front-end.png", result, _start_phi(context, result))
    plot_examples(folder / "frames.png", [scene.example(frame, result) for frame in _examples(result)])
    context.say(f"figures: {folder / 'front-end.png'}, {folder / 'frames.png'}")


class _Scene:
    """The truth and the files that are compared with it."""

    def __init__(self, context: Context, path: Path) -> None:
        self.context = context
        self.lists: FileLists = inputs.lists(context)
        self.stored: StoredTruth = first(context.ranks, lambda: truth_file.read(path))
        if len(self.stored.truth) < len(self.lists):
            raise InputFileError(f"{path}: truth of {len(self.stored.truth)} frames, but {len(self.lists)} raw frames are listed")
        self.geometry = inputs.geometry(context)
        usable = np.zeros(self.geometry.shape, bool)
        usable.ravel()[first(context.ranks, lambda: pixel_index(context))] = True
        self.raster = shared_raster(context, self.geometry, ~usable)
        none = random_faults(self.raster, np.zeros(usable.size, bool), 0, 0, 0, 0.0, 0)
        stored = self.stored
        self.experiment = Experiment(self.raster, stored.intensities, stored.shape, stored.background, none, stored.seed or 0)
        self.panel = self.geometry.panel_numbers().ravel()

    def compare(self, frame: int) -> PeakComparison:
        """The peaks of one frame."""
        crystal, background = self.photons(frame)
        columns = self.geometry.shape[1]
        return compare_peaks(peaks.read(self.lists.peak[frame]), crystal, background, self.raster.usable, self.panel, columns)

    def photons(self, frame: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Expected photons of crystals, and of the background."""
        background = self.stored.background * self.raster.polar * self.stored.truth.background[frame]
        return self.experiment.crystal_photons(self.stored.truth, frame), background

    def example(self, frame: int, result: FrontEndResult) -> ExampleFrame:
        """A frame to look at."""
        crystal, background = self.photons(frame)
        columns = self.geometry.shape[1]
        pixel, begins = visible_peaks(crystal, background, self.raster.usable, self.panel, columns)
        found = peaks.read(self.lists.peak[frame])
        source = FrameSource(self.lists.frames, inputs.frame_dataset(self.context), self.context.config.section(Frames).adu_per_photon)
        return ExampleFrame(
            f"frame {frame}: {NAMES[Kind(result.truth.kind[frame])]}, {_outcome(result, frame)}",
            source.read(frame),
            centres(found.pixel, found.count, found.first, columns),
            centres(pixel, crystal[pixel], begins, columns),
        )


def _outcome(result: FrontEndResult, frame: int) -> str:
    if not result.kept[frame]:
        return "no candidate orientation"
    angles = np.degrees(result.distance[frame][np.isfinite(result.distance[frame])])
    nearest = f", nearest to the truth {' and '.join(f'{angle:.2f}°' for angle in angles)}" if len(angles) else ""
    return f"{result.candidates[frame]} candidates{nearest}"


def _result(context: Context, scene: _Scene, compared: int) -> FrontEndResult:
    """All comparisons; complete on rank 0 alone."""
    total, bins = len(scene.lists), context.config.section(Background).qlen
    kept, found = first(context.ranks, lambda: _candidates(context, total))
    quat_file = context.config.path(context.config.section(Rotations).quat_file)
    chosen = np.unique(np.linspace(0, total - 1, min(compared, total)).astype(np.int64))
    known = _first(scene.stored.truth, total)
    factor = known.background
    return FrontEndResult(
        known,
        found.counts,
        kept,
        np.array(_of_ranks(context, range(total), _distance(context, known, found, quat_file))).reshape(-1, CRYSTALS),
        angular_step(quaternions.num_div_of(quat_file)),
        np.array(_of_ranks(context, range(total), lambda frame: radial_background.read(scene.lists.radial[frame], bins))),
        radial_truth(*_usable(scene, bins), bins, factor),
        scene.geometry.q_max / bins * scene.geometry.pixel_to_inverse_angstrom,
        _of_ranks(context, chosen.tolist(), scene.compare),
        chosen,
    )


def _of_ranks(context: Context, items: Sequence[int], function: Callable[[int], Item]) -> list[Item]:
    """`function` of every item in order, on rank 0; each rank works out its share. An empty list on the other ranks."""
    mine = {place: function(items[place]) for place in interleaved(len(items), context.ranks.rank, context.ranks.size)}
    together = {place: value for part in context.ranks.gather(mine) for place, value in part.items()}
    return [together[place] for place in sorted(together)]


def _candidates(context: Context, total: int) -> tuple[NDArray[np.bool_], Candidates]:
    """Whether each raw frame is a reduced one, and its candidates."""
    keys = context.config.section(Reduction)
    path = context.config.path(keys.reduced_data_id_file)
    try:
        order = np.array(path.read_text().split()[1:], np.int64)
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: cannot be read ({error}); run `fxs-hpc emc reduce-data`") from None
    found = candidate_files.read(context.config.path(keys.prob_orien_file), len(order))
    place = np.full(total, -1)
    place[order] = np.arange(len(order))
    return place >= 0, Candidates.of_lists([found[at] if at >= 0 else np.empty(0, np.int32) for at in place])


def _first(everything: Truth, count: int) -> Truth:
    """The truth of the first frames."""
    return replace(everything, **{field.name: getattr(everything, field.name)[:count] for field in fields(everything)})


def _distance(context: Context, known: Truth, found: Candidates, quat_file: Path) -> Callable[[int], NDArray[np.float64]]:
    symmetry = first(context.ranks, lambda: sym_op.read(context.home / "aux" / "sym-op.dat", basis.read(_basis(context)))).quaternions
    samples = quaternions.mapped(quat_file)[:, :4]

    def of_frame(frame: int) -> NDArray[np.float64]:
        alone = Candidates.of_lists([found[frame]])
        return distance_to_candidates(known.quaternions[[frame]], known.phi[[frame]], alone, samples, symmetry)[0]

    return of_frame


def _basis(context: Context) -> Path:
    return context.home / "aux" / "basis-vec.dat"


def _usable(scene: _Scene, bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """True background, polar and radial bin of the usable pixels."""
    usable = scene.raster.usable
    modulus = scene.raster.modulus[usable] / scene.geometry.pixel_to_inverse_angstrom
    number = np.minimum((modulus * bins / scene.geometry.q_max).astype(np.int64), bins - 1)
    return scene.stored.background[usable], scene.raster.polar[usable], number


def _start_phi(context: Context, result: FrontEndResult) -> NDArray[np.float64] | None:
    """Scale factor to start from of each raw frame, NaN where it has none; None before init-phi."""
    path = context.config.path(context.config.section(Reconstruction).start_phi_file)
    if not path.exists():
        return None
    order = np.array(context.config.path(context.config.section(Reduction).reduced_data_id_file).read_text().split()[1:], np.int64)
    values = np.array(path.read_text().split(), float)
    phi = np.full(len(result.kept), np.nan)
    phi[order[: len(values)]] = values[: len(order)]
    return phi


def _examples(result: FrontEndResult) -> list[int]:
    """A bright single crystal, a faint one, two crystals, and junk; kept ones where there are any."""
    kind, phi = result.truth.kind, result.truth.phi.max(axis=1)
    chosen = []
    for what, share in ((Kind.SINGLE, 0.9), (Kind.SINGLE, 0.3), (Kind.MULTIPLE, 0.5), (Kind.JUNK, 0.5)):
        some = np.flatnonzero((kind == what) & result.kept)
        some = some if len(some) else np.flatnonzero(kind == what)
        if len(some):
            chosen.append(int(some[np.argsort(phi[some])[int(share * (len(some) - 1))]]))
    return chosen


def table(result: FrontEndResult) -> list[str]:
    """Lines for the user."""
    error = np.abs(result.background_error())
    (right, expected), (false, seen) = result.recall(), result.false_peaks()
    kept = "; ".join(f"{NAMES[kind]} {some} of {total}" for kind, (some, total) in result.kinds().items() if total)
    nearest = np.degrees(result.distance[result.single(), 0])
    single = [peaks.recalled.sum() for peaks in result.of_kinds(Kind.SINGLE)]
    return [
        "front end against the truth",
        f"  frames kept            {kept}",
        f"  true orientation       among the candidates of {100 * result.hits():.1f} % of the {result.single().sum()} kept single crystals",
        f"                         (within the sampling step of {np.degrees(result.step):.2f} deg modulo symmetry; median distance "
        f"{np.nanmedian(nearest) if len(nearest) else np.nan:.2f} deg)",
        f"  radial background      median error {100 * np.nanmedian(error):.2f} %, 95 % of the bins within "
        f"{100 * np.nanpercentile(error, 95):.2f} %; {100 * result.masked():.1f} % of the bins masked",
        f"  peaks                  {right} of {expected} that stand out of the noise found ({100 * right / max(expected, 1):.1f} %), "
        f"{np.mean(single) if single else 0:.1f} per single crystal",
        f"  false peaks            {false} of {seen} ({100 * false / max(seen, 1):.2f} %)",
    ]
