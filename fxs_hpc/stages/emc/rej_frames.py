"""`rej-frames`: leave frames without a crystal, or with several, out of what follows: their scale factor becomes 0 in start_phi_file."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Peaks
from fxs_hpc.config.emc.orientation import Lattice as LatticeKeys
from fxs_hpc.config.emc.orientation import Rotations
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.config.emc.rejection import RejectionKeys
from fxs_hpc.emc.peaks import centroids
from fxs_hpc.emc.quaternions import angular_step, rotation_matrices
from fxs_hpc.emc.rejection import Rejection, Verdict, by_orientations, by_peaks, explained_share
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import frame_verdicts, peaks, phi, probabilities, quaternions, sym_op
from fxs_hpc.files.emc.frame_verdicts import FrameVerdict
from fxs_hpc.files.emc.probabilities import Probable
from fxs_hpc.report.rejection import plot_rejection
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.finished_runs import LOW, half, newest
from fxs_hpc.stages.emc.flag_folder import flag_folders

FOLDER = "rej-frames"


def run(context: Context) -> None:
    """Write rej-frames/out-phi.dat, frames.csv and frames.png (with -A, -B for the halves), and a new start_phi_file."""
    if context.ranks.rank:
        return
    flag = _last_flag(context)
    raw = _raw_numbers(context)
    scale = phi.read(flag / "total-phi.dat", len(raw))
    probable = probabilities.read_all(flag, len(raw))
    counts, share = _explained(context, raw, probable)
    result = _judged(context, scale, share, probable)
    table = [
        FrameVerdict(
            frame, int(number), float(scale[frame]), int(counts[frame]), float(share[frame]), _best(probable[frame]), result.verdicts[frame]
        )
        for frame, number in enumerate(raw)
    ]
    _write(context, result, table)
    context.say(summary(result.verdicts, flag))


def plan(context: Context) -> Plan:
    """Little."""
    return Plan(memory=2 * 10**8, disk=10**6)


def summary(verdicts: list[Verdict], flag: Path) -> str:
    """The result in words."""
    tally = Counter(verdicts)
    rejected = len(verdicts) - tally[Verdict.KEPT]
    reasons = ", ".join(f"{count} {verdict}" for verdict, count in tally.items() if verdict is not Verdict.KEPT)
    return f"{rejected} of {len(verdicts)} frames are rejected{f' ({reasons})' if reasons else ''}, by {flag.parent.name}/{flag.name}"


def _last_flag(context: Context) -> Path:
    folder = newest(context, LOW)
    with_phi = [path for path in flag_folders(folder).values() if (path / "total-phi.dat").is_file()]
    if not with_phi:
        raise InputFileError(f"{folder}: no iter_flag folder has total-phi.dat; rej-frames needs a run with updates of the scale factors")
    return with_phi[-1]


def _raw_numbers(context: Context) -> NDArray[np.int64]:
    path = context.config.path(context.config.section(Reduction).reduced_data_id_file)
    try:
        numbers = np.array(path.read_text().split(), np.int64)
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: numbers of the reduced frames cannot be read ({error}); run `fxs-hpc emc reduce-data`") from None
    if len(numbers) < 2 or len(numbers) != numbers[0] + 1:
        raise InputFileError(f"{path}: {len(numbers) - 1} frames, but the first line says otherwise; run `fxs-hpc emc reduce-data` again")
    return numbers[1:]


def _explained(context: Context, raw: NDArray[np.int64], probable: list[Probable]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Peaks looked at, and the share of them that the best orientation explains, of each frame; NaN without an orientation."""
    keys, cell = context.config.section(Peaks), context.config.section(LatticeKeys)
    geometry, grid = inputs.geometry(context), inputs.voxel_grid(context)
    pixels = inputs.pixels(context, geometry.shape)
    place, unit = pixels.positions(), geometry.pixel_to_inverse_angstrom
    samples = quaternions.mapped(context.config.path(context.config.section(Rotations).quat_file))
    step, paths = _step(context), inputs.lists(context).peak
    counts, share = np.zeros(len(raw), np.int64), np.full(len(raw), np.nan)
    for frame, (number, found) in enumerate(zip(raw.tolist(), probable)):
        patches = peaks.read(context.config.path(paths[number]))
        patches = patches.selected((patches.sizes >= keys.min_patch_sz) & (patches.sizes <= keys.max_patch_sz))
        q = centroids(patches, pixels.q, place)
        modulus = np.linalg.norm(q, axis=1)
        q = q[(modulus >= geometry.q_min) & (modulus <= geometry.limit(cell.res_cutoff))] * unit
        counts[frame] = len(q)
        if len(found.rotation):
            share[frame] = explained_share(q, rotation_matrices(np.asarray(samples[found.rotation[0], :4])), grid, step)
    return counts, share


def _step(context: Context) -> float:
    return angular_step(quaternions.num_div_of(context.config.path(context.config.section(Rotations).quat_file)))


def _judged(context: Context, scale: NDArray[np.float64], share: NDArray[np.float64], probable: list[Probable]) -> Rejection:
    keys = context.config.section(RejectionKeys)
    if keys.rejection_rule == "peaks":
        return by_peaks(scale, share, keys.least_explained)
    samples = quaternions.mapped(context.config.path(context.config.section(Rotations).quat_file))
    group = sym_op.read(context.home / "aux" / "sym-op.dat", inputs.lattice(context))
    of_frames = [np.asarray(samples[found.rotation, :4]) for found in probable]
    return by_orientations(scale, of_frames, [found.probability for found in probable], group.quaternions, _step(context))


def _best(found: Probable) -> float:
    return float(found.probability[0]) if len(found.probability) else 0.0


def _write(context: Context, result: Rejection, table: list[FrameVerdict]) -> None:
    own = half(context.config)
    ending = f"-{own}" if own else ""
    folder, keys = context.home / FOLDER, context.config.section(RejectionKeys)
    phi.write(folder / f"out-phi{ending}.dat", result.phi, phi.REJECTED)
    frame_verdicts.write(folder / f"frames{ending}.csv", table)
    plot_rejection(folder / f"frames{ending}.png", table, keys.least_explained if keys.rejection_rule == "peaks" else None)
    phi.write(context.config.path(context.config.section(Reconstruction).start_phi_file), result.phi, phi.REJECTED)
