"""`setup-quat`: fine rotation samples near the probable orientations of each frame, for the high resolution by local update."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.detector import Detector
from fxs_hpc.config.emc.halves import half_path
from fxs_hpc.config.emc.local import LocalUpdate
from fxs_hpc.config.emc.orientation import Lattice, Rotations
from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.local_samples import LocalSamples, fine_divisions, local_samples, radius
from fxs_hpc.emc.probabilities import Assignment
from fxs_hpc.emc.quaternions import blocks, sample_count
from fxs_hpc.errors import DataError, SettingsError
from fxs_hpc.files.emc import candidates, probabilities, quaternion_table, quaternions
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.derived import record
from fxs_hpc.stages.emc.finished_runs import LOW, half, last_flag, newest

LEAST = 0.01
"""Orientations of lower probability seed nothing."""
SAMPLES_AT_A_TIME = 1 << 18


@dataclass(frozen=True)
class LocalFiles:
    """Files of the high resolution stage: samples, table, candidates of each frame; `divisions` of the fine sampling."""

    divisions: int
    samples: Path
    table: Path
    candidates: Path
    probabilities: Path


def run(context: Context) -> None:
    """Choose the fine samples and write them, their table, and the candidates of each frame."""
    files = local_files(context)
    coarse_file = context.config.path(context.config.section(Rotations).quat_file)
    source = last_flag(newest(context, LOW), "total-phi.dat")
    context.say(f"orientations of {source}, cutoff {high_cutoff(context):g} Angstrom: {files.divisions} divisions of the 600-cell")
    seeds, lists = _seeds(source)
    fine = local_samples(np.array(quaternions.mapped(coarse_file)[seeds, :4]), blocks(files.divisions), _reach(context, files.divisions))
    found = candidates_of(lists, fine)
    quaternions.write(files.samples, len(fine.number), [(fine.quaternions, fine.weights)])
    quaternion_table.write(files.table, Candidates(fine.first, fine.entries))
    candidates.write(files.candidates, found)
    _copy_probabilities(source, files.probabilities, lists, seeds)
    context.say(f"{len(fine.number)} of {sample_count(files.divisions)} fine samples near {len(seeds)} coarse ones: {files.samples}")
    context.say(f"{len(found.rotation) / max(1, len(found)):.0f} candidates per frame: {files.candidates}")
    derived = record(context, "setup-quat", source=source, cutoff=high_cutoff(context), sample_count=len(fine.number), **vars(files))
    context.say(f"what was derived: {derived}")


def plan(context: Context) -> Plan:
    """Memory for a piece of the fine sampling and its search tree."""
    files = local_files(context)
    line = f"{sample_count(files.divisions)} fine samples are looked through, those near probable orientations are kept"
    return Plan(memory=SAMPLES_AT_A_TIME * 200 + 10**8, disk=10**7, lines=(line,))


def high_cutoff(context: Context) -> float:
    """Cutoff of the high resolution stages in Angstrom.

    Raises
    ------
    SettingsError
        It does not lie between res_max and res_cutoff.
    """
    finest, coarse = context.config.section(Detector).res_max, context.config.section(Lattice).res_cutoff
    cutoff = context.config.section(LocalUpdate).high_res_cutoff or finest
    if not finest <= cutoff <= coarse:
        raise SettingsError(
            f"{context.config.run.path}: high_res_cutoff = {cutoff:g}: must lie between res_max = {finest:g} and "
            f"res_cutoff = {coarse:g} Angstrom"
        )
    return cutoff


def local_files(context: Context) -> LocalFiles:
    """Where the files of the high resolution stage are: as config.ini says, else in aux/."""
    keys, aux = context.config.section(LocalUpdate), context.home / "aux"
    coarse = quaternions.num_div_of(context.config.path(context.config.section(Rotations).quat_file))
    fine = fine_divisions(coarse, context.config.section(Lattice).res_cutoff, high_cutoff(context))
    own = half(context.config)

    def path(given: Path | None, name: str) -> Path:
        default = half_path(aux / name, own) if own else aux / name
        return context.config.path(given) if given else default

    return LocalFiles(
        fine,
        path(keys.fine_quat_file, f"c-reduced-quaternion{fine}.bin"),
        path(keys.quat_table_file, f"reduced-quaternion-{coarse}-{fine}.dat"),
        path(None, "local-prob-orien.bin"),
        context.config.path(keys.start_prob_dir),
    )


def candidates_of(lists: list[NDArray[np.int64]], fine: LocalSamples) -> Candidates:
    """Candidates of each frame: the fine samples near any of its coarse ones (`lists`, numbers among those in use)."""
    nothing = np.zeros(0, np.int32)
    return Candidates.of_lists([np.unique(np.concatenate([nothing, *(fine[coarse] for coarse in frame)])) for frame in lists])


def _reach(context: Context, divisions: int) -> float:
    return radius(quaternions.num_div_of(context.config.path(context.config.section(Rotations).quat_file)), divisions)


def _seeds(source: Path) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Coarse samples that some frame has with probability, and those of each frame as numbers among them."""
    frames = [frame.rotation[frame.probability >= LEAST].astype(np.int64) for frame in probabilities.read_all(source)]
    if not any(len(frame) for frame in frames):
        raise DataError(f"{source}: no frame has an orientation with a probability of {LEAST}; the reconstruction has found nothing")
    seeds = np.unique(np.concatenate(frames))
    return seeds, [np.searchsorted(seeds, frame) for frame in frames]


def _copy_probabilities(source: Path, target: Path, lists: list[NDArray[np.int64]], seeds: NDArray[np.int64]) -> None:
    """high_p files as they are, and renumbered without improbable rotations as reduced-high_p."""
    target.mkdir(parents=True, exist_ok=True)
    start = 0
    for part in (source / f"high_p-{number}.dat" for number in range(len(list(source.glob("high_p-*.dat"))))):
        shutil.copyfile(part, target / part.name)
        frames = probabilities.read(part)
        kept = [frame.probability[frame.probability >= LEAST] for frame in frames]
        own = lists[start : start + len(frames)]
        first = np.concatenate([[0], np.cumsum([len(values) for values in kept])]).astype(np.int64)
        nothing: list[NDArray] = [np.zeros(0)]
        rotation = np.concatenate([*nothing, *own]).astype(np.int32)
        probabilities.write(target / f"reduced-{part.name}", Assignment(first, rotation, np.concatenate([*nothing, *kept])))
        start += len(frames)
