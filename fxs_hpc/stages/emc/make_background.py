"""`make-background`: radial background, outliers and peaks of each raw frame.

Ranks take contiguous blocks of frames; frames do not depend on each other, so the files are the same for any number of ranks. A frame that
cannot be read gets a background without usable bins and no peaks, so that later stages leave it out, and keeps its raw number.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Background, Frames
from fxs_hpc.emc.detector import Geometry
from fxs_hpc.emc.peak_search import FrameBackground, PeakSearch
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.emc import frame_table, rec_vectors
from fxs_hpc.files.emc.file_lists import FileLists
from fxs_hpc.files.frames import FrameSource
from fxs_hpc.parallel.communicator import first, share
from fxs_hpc.parallel.partition import block
from fxs_hpc.stages.emc import frame_results, inputs, make_filelists
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.progress import shown

SAMPLED = 400
"""Frames whose background is drawn."""
NAMED = 10
"""Unreadable frames that are named on the screen; the table has all."""


@dataclass
class Findings:
    """What one rank found.

    Attributes
    ----------
    table : list of rows of `frame_table`
    failures : raw number -> why the frame could not be read.
    sample : backgrounds float64[bins] of some frames.
    """

    table: list[tuple[int, ...]] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    sample: list[NDArray[np.float64]] = field(default_factory=list)


def run(context: Context) -> None:
    """Analyse all frames."""
    keys = context.config.section(Background)
    lists = make_filelists.current(context)
    geometry = inputs.geometry(context)
    search = _search(context, geometry)
    first(context.ranks, lambda: _clear(context, lists))
    findings = _analyse(context, lists, geometry.shape, search)
    parts = context.ranks.all_gather(findings)
    failures = {number: reason for part in parts for number, reason in part.failures.items()}
    _check(context, failures, len(lists))
    frame_results.settle(context.ranks)
    table = np.array([row for part in parts for row in part.table], np.int64).reshape(-1, len(frame_table.COLUMNS))
    sample = np.array([radial for part in parts for radial in part.sample]).reshape(-1, keys.qlen)

    def finish() -> None:
        frame_table.write(context.home / "make-background" / "frames.dat", table, failures, keys.ring_rule)
        _report(context, table, failures)
        _draw(context, table, sample, geometry, search)

    first(context.ranks, finish)


def _search(context: Context, geometry: Geometry) -> PeakSearch:
    keys = context.config.section(Background)
    pixels = inputs.pixels(context, geometry.shape)
    place = share(context.ranks, pixels.positions)
    return PeakSearch(pixels, geometry, keys.qlen, keys.hot_pix_thres, keys.ring_rule, place)


def _clear(context: Context, lists: FileLists) -> None:
    (context.home / "make-background" / "frames.dat").unlink(missing_ok=True)
    for folder in lists.folders():
        folder.mkdir(parents=True, exist_ok=True)


def _analyse(context: Context, lists: FileLists, shape: tuple[int, int], search: PeakSearch) -> Findings:
    keys, frames = context.config.section(Background), context.config.section(Frames)
    source = FrameSource(lists.frames, inputs.frame_dataset(context), frames.adu_per_photon)
    start, stop = block(len(lists), context.ranks.rank, context.ranks.size)
    findings = Findings()
    every = -(-len(lists) // SAMPLED)
    for number in shown(range(start, stop), stop - start, "frames", context.ranks, context.say):
        try:
            found = search(_read(source, number, shape))
            findings.table.append(row(found))
        except InputFileError as error:
            found = FrameBackground.unreadable(keys.qlen)
            findings.table.append((0, 0, 0, 0, keys.qlen))
            findings.failures[number] = str(error)
            _check(context, findings.failures, len(lists))
        frame_results.write(lists, number, found)
        if number % every == 0 and number not in findings.failures:
            findings.sample.append(found.radial)
    return findings


def row(found: FrameBackground) -> tuple[int, ...]:
    """A row of `frame_table`."""
    return 1, len(found.pixel), len(found.peaks), len(found.peaks.pixel), int(np.count_nonzero(found.radial < 0))


def _read(source: FrameSource, number: int, shape: tuple[int, int]) -> NDArray[np.int32]:
    frame = source.read(number)
    if frame.shape != shape:
        raise InputFileError(
            f"{source.names[number]}: {frame.shape[0]} x {frame.shape[1]} pixels, but config.ini says {shape[0]} x {shape[1]}"
        )
    return frame


def _check(context: Context, failures: dict[int, str], frames: int) -> None:
    """Stop when more frames than allowed cannot be read."""
    allowed = context.config.section(Frames).max_failed_frames
    if len(failures) > allowed * frames:
        named = "\n  ".join(list(failures.values())[:NAMED])
        raise DataError(
            f"{len(failures)} frames cannot be read, more than max_failed_frames = {allowed:g} of {frames} allows; correct config.ini or "
            f"the list of frames, or raise max_failed_frames:\n  {named}"
        )


def _report(context: Context, table: NDArray[np.int64], failures: dict[int, str]) -> None:
    for number in sorted(failures)[:NAMED]:
        context.say(f"  frame {number} left out: {failures[number]}")
    read = table[:, 0] == 1
    context.say(
        f"{np.count_nonzero(read)} of {len(table)} frames read, {len(failures)} left out; {table[:, 2].sum()} peaks, "
        f"{np.count_nonzero(table[:, 2])} frames with peaks; unusable radial bins {100 * _unusable(table[read], context):.1f} %"
    )


def _unusable(table: NDArray[np.int64], context: Context) -> float:
    return float(table[:, 4].mean()) / context.config.section(Background).qlen if len(table) else 1.0


def _draw(context: Context, table: NDArray[np.int64], sample: NDArray[np.float64], geometry: Geometry, search: PeakSearch) -> None:
    if not len(sample):
        return
    from fxs_hpc.report import background as picture  # the other ranks need no matplotlib

    path = context.home / "make-background" / "background.png"
    picture.write_background(path, sample, len(table), geometry)
    number = example(table[:, 2])
    source = inputs.frame_source(context)
    frame = _read(source, number, geometry.shape)
    picture.write_frame(path.with_name("example-frame.png"), frame, search(frame), search, source.names[number], number)
    context.say(f"pictures: {path}, {path.with_name('example-frame.png')}")


def example(peaks: NDArray[np.int64]) -> int:
    """Number of a frame with many peaks, but not the most."""
    return int(np.argsort(peaks, kind="stable")[min(len(peaks) - 1, int(0.95 * len(peaks)))])


def plan(context: Context) -> Plan:
    """What it will take."""
    keys = context.config.section(Background)
    geometry = inputs.geometry(context)
    raster = geometry.shape[0] * geometry.shape[1]
    pixels = _pixels(context, raster)
    count, missing = _frames(context)
    small_files = 4096
    return Plan(
        memory=raster * 14 + pixels * 16,
        disk=count * 3 * max(small_files, 8 * keys.qlen),
        lines=(f"{count} frames, {pixels} usable pixels, {keys.qlen} radial bins, ring rule {keys.ring_rule}",),
        missing=missing,
        shared=36 * pixels + 4 * raster,
    )


def _pixels(context: Context, raster: int) -> int:
    path = context.home / "make-detector" / "rec-vectors.bin"
    return rec_vectors.read_header(path).pixels if path.exists() else raster


def _frames(context: Context) -> tuple[int, tuple[str, ...]]:
    try:
        return len(inputs.frame_source(context)), ()
    except InputFileError as error:
        return context.config.section(Frames).num_raw_data or 0, (str(error),)
