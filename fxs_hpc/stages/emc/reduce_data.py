"""`reduce-data`: select the frames with candidate orientations, order them for the ranks of EMC, store their photons and backgrounds."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Background, Frames, Peaks
from fxs_hpc.config.emc.orientation import Rotations
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.ordering import balanced_order
from fxs_hpc.emc.reduction import reduced_counts
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.atomic import write_text
from fxs_hpc.files.emc import candidates as candidate_files
from fxs_hpc.files.emc import frame_store, peaks, pix_map, quaternions, radial_background, rec_vectors
from fxs_hpc.files.emc.file_lists import FileLists
from fxs_hpc.files.emc.frame_block import FrameBlock
from fxs_hpc.files.emc.reduced import is_store
from fxs_hpc.files.frames import FrameSource
from fxs_hpc.parallel.communicator import first
from fxs_hpc.parallel.partition import block
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.progress import shown
from fxs_hpc.stages.emc.reduced_output import ReducedFiles, write_frames

STORED = 0.25
"""Size of a store relative to the dense file, as a cautious guess for plans; measured on the reference set 1/6."""


def run(context: Context) -> None:
    """Select, order and store the frames."""
    keys = context.config.section(Reduction)
    lists = inputs.lists(context)
    found = _found(context, lists)
    order = first(context.ranks, lambda: _order(context, found))
    context.say(f"{len(order)} of {len(lists)} frames have candidate orientations ({len(found.rotation)} pairs of frame and rotation)")
    index = first(context.ranks, lambda: pixel_index(context))
    target = ReducedFiles(
        context.config.path(keys.mpi_datafile),
        context.config.path(keys.mpi_bgfile),
        len(order),
        len(index),
        context.config.section(Background).qlen,
        frame_store.pixel_order(index),
    )
    write_frames(context.ranks, target, _reader(context, lists, order, index))
    if context.ranks.rank == 0:
        _write_lists(context, lists, order, found)
        report(context, target)


def pixel_index(context: Context) -> NDArray[np.int32]:
    """Full-detector index of each usable pixel, in the order of the reduced data."""
    folder = context.home / "make-detector"
    return pix_map.read_index(folder, rec_vectors.read_header(folder / "rec-vectors.bin").pixels)


def report(context: Context, target: ReducedFiles) -> None:
    """Say how large the reduced data are."""
    dense, written = target.dense_bytes, target.written_bytes()
    saved = f" ({dense / written:.1f} times smaller than dense, {dense / 1e6:.1f} MB)" if is_store(target.photons) else " (dense)"
    context.say(f"{target.photons}: {target.count} frames of {target.pixels} pixels, {written / 1e6:.1f} MB{saved}")


def plan(context: Context) -> Plan:
    """Disk for the reduced frames if all raw ones are kept, memory for one block."""
    keys, bins = context.config.section(Reduction), context.config.section(Background).qlen
    frames, pixels = len(inputs.lists(context)), len(pixel_index(context))
    target = ReducedFiles(context.config.path(keys.mpi_datafile), context.config.path(keys.mpi_bgfile), frames, pixels, bins, "")
    kind = "compressed store" if is_store(target.photons) else "dense"
    size = int(target.dense_bytes * (STORED if is_store(target.photons) else 1))
    lines = (f"at most {frames} frames of {pixels} pixels, {kind} in {target.photons}",)
    return Plan(memory=frame_store.block_size(pixels) * pixels * 16 + 10**8, disk=size, lines=lines)


def _found(context: Context, lists: FileLists) -> Candidates:
    """Candidates of all raw frames on rank 0, of none on the others."""
    counts = first(context.ranks, lambda: _counts(context, lists))
    begin, end = block(len(lists), context.ranks.rank, context.ranks.size)
    mine = [_candidates(path, int(count)) for path, count in zip(lists.orientation[begin:end], counts[begin:end], strict=True)]
    parts = context.ranks.gather(Candidates.of_lists(mine))
    return Candidates.of_lists([part[frame] for part in parts for frame in range(len(part))])


def _counts(context: Context, lists: FileLists) -> NDArray[np.int64]:
    path = context.home / "orient-peak" / "num_prob_orien.dat"
    counts = candidate_files.read_counts(path)
    if len(counts) != len(lists):
        raise InputFileError(f"{path}: {len(counts)} frames, but make-background lists {len(lists)}; {candidate_files.SEARCH_AGAIN}")
    return counts


def _candidates(path: str, count: int) -> NDArray[np.int32]:
    """Candidates of one raw frame. Where there are none the file is not looked at: it may be left from an earlier search."""
    if not count:
        return np.empty(0, np.int32)
    found = candidate_files.read_frame(Path(path))
    if len(found) != count:
        raise InputFileError(f"{path}: {len(found)} rotations, but num_prob_orien.dat says {count}; {candidate_files.SEARCH_AGAIN}")
    return found


def _order(context: Context, found: Candidates) -> NDArray[np.int64]:
    """Raw number of each reduced frame."""
    quat_file = context.config.path(context.config.section(Rotations).quat_file)
    rotations = quaternions.read_count(quat_file)
    if not len(found.rotation):
        raise DataError("no frame has a candidate orientation; check the cell (figures of make-powder) and min_num_peak")
    if found.rotation.max() >= rotations:
        raise DataError(
            f"rotation {found.rotation.max()} is a candidate, but {quat_file} has {rotations} rotations; {candidate_files.SEARCH_AGAIN}"
        )
    return balanced_order(found.first, found.rotation, rotations, context.config.section(Reduction).nproc)


def _reader(
    context: Context, lists: FileLists, order: NDArray[np.int64], index: NDArray[np.int32]
) -> Callable[[int, int], Iterator[FrameBlock]]:
    """Blocks of the reduced frames first .. stop - 1."""
    source = FrameSource(lists.frames, inputs.frame_dataset(context), context.config.section(Frames).adu_per_photon)
    limit, bins = context.config.section(Background).hot_pix_thres, context.config.section(Background).qlen
    largest = context.config.section(Peaks).max_patch_sz
    size = frame_store.block_size(len(index))

    def blocks(begin: int, end: int) -> Iterator[FrameBlock]:
        starts = range(begin, end, size)
        for start in shown(starts, len(starts), "blocks of frames", context.ranks, context.say):
            some = order[start : min(start + size, end)]
            photons = np.empty((len(some), len(index)), np.int16)
            background = np.empty((len(some), bins))
            for place, frame in enumerate(some.tolist()):
                photons[place] = reduced_counts(source.read(frame), index, limit, peaks.read(lists.peak[frame]), largest)
                background[place] = radial_background.read(lists.radial[frame], bins)
            yield FrameBlock(photons, background, some)

    return blocks


def _write_lists(context: Context, lists: FileLists, order: NDArray[np.int64], found: Candidates) -> None:
    """Which raw frames these are, and their files and candidates, in reduced order."""
    keys, aux = context.config.section(Reduction), context.home / "aux"
    _write_lines(context.config.path(keys.reduced_data_id_file), [len(order), *order.tolist()])
    for name, paths in (("cbf_", lists.frames), ("radial", lists.radial), ("peak", lists.peak)):
        _write_lines(aux / f"reduced-{name}files.dat", [paths[frame] for frame in order.tolist()])
    candidate_files.write(context.config.path(keys.prob_orien_file), Candidates.of_lists([found[frame] for frame in order]))


def _write_lines(path: Path, lines: Sequence[object]) -> None:
    write_text(path, "".join(f"{line}\n" for line in lines))
