"""Results of refine-orientations: the folder of a round and the history."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.merging import Merged
from fxs_hpc.emc.refinement.intensities import Heights
from fxs_hpc.emc.refinement.optimiser import Found
from fxs_hpc.emc.refinement.peak_model import LatticeTable
from fxs_hpc.emc.refinement.rounds import BlockResult, Model, RoundEnd
from fxs_hpc.emc.space_groups import crystfel
from fxs_hpc.files.atomic import write_text
from fxs_hpc.files.atomic_folder import replacing_folder
from fxs_hpc.files.emc import crystfel_hkl, hkl_values, mean_std, orientations, phi
from fxs_hpc.files.emc.mean_std import MeanStd
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import refinement_state as state
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.finished_runs import refine_folder
from fxs_hpc.stages.emc.refinement_inputs import Problem

HISTORY = "history.jsonl"


@dataclass
class Extra:
    """What the last round may add: recovered frames and second lattices, as columns; empty where not asked for."""

    recovered: Mapping[str, NDArray] = field(default_factory=dict)
    second: Mapping[str, NDArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """One line of the history."""

    round: int
    frames: int
    accepted: int
    log_likelihood: float
    median_rotation_error: float
    width: float
    mosaicity_degrees: float
    radial: float
    shift_x: float
    shift_y: float
    log_distance: float
    seen: int
    i_over_sigma: float
    seconds: float
    cpu_seconds: float

    @classmethod
    def of(cls, context: Context, number: int, found: list[Found], end: RoundEnd, model: Model, clock: tuple[float, float]) -> "Record":
        """Summed over all ranks, on every rank."""
        good = [block.accepted & np.isfinite(block.gain) for block in found]
        sums = np.zeros((1, 4))
        for block, mine in zip(found, good, strict=True):
            sums += [len(mine), mine.sum(), block.gain[mine].sum(), 0]
        sums[0, 3] = time.process_time() - clock[1]
        frames, accepted, gain, cpu = np.sum(context.ranks.all_gather(sums), axis=0)[0].tolist()
        error = np.concatenate([np.zeros(0), *(part for rank in context.ranks.all_gather([_errors(b) for b in found]) for part in rank)])
        seen = np.isfinite(end.heights.sigma)
        ratio = end.heights.value[seen] / end.heights.sigma[seen]
        shape, geometry = model.shape, model.geometry
        return cls(
            number,
            int(frames),
            int(accepted),
            gain,
            float(np.median(error)) if len(error) else 0.0,
            shape.width,
            float(np.degrees(shape.mosaicity)),
            shape.radial,
            geometry.x,
            geometry.y,
            geometry.log_distance,
            int(seen.sum()),
            float(ratio.mean()) if seen.any() else 0.0,
            time.monotonic() - clock[0],
            cpu,
        )

    def line(self) -> str:
        """For people."""
        return (
            f"round {self.round}: {self.accepted} of {self.frames} frames accepted, orientations to {self.median_rotation_error:.3f} deg, "
            f"log likelihood {self.log_likelihood:.0f}, <I/sigma> {self.i_over_sigma:.1f}, peak width {self.width:.5f} 1/A, "
            f"mosaicity {self.mosaicity_degrees:.2f} deg, {self.seconds:.1f} s "
            f"({1e3 * self.cpu_seconds / max(self.frames, 1):.1f} ms of CPU per frame)"
        )

    def detector(self, distance: float) -> str:
        """The detector as the frames show it, for people; `distance` in pixels."""
        return (
            f"detector: beam centre {-self.shift_x * distance:+.3f} along x (cx), {-self.shift_y * distance:+.3f} along y (cy) pixels from "
            f"where it was assumed, distance {np.expm1(self.log_distance):+.3%}"
        )


def _errors(found: Found) -> NDArray[np.float64]:
    """Estimated errors of the rotations of accepted frames, degrees."""
    kept = found.accepted & np.isfinite(found.gain)
    covariance = np.linalg.inv(found.information[kept])
    return np.degrees(np.sqrt(np.trace(covariance[:, :3, :3], axis1=1, axis2=2)))


def write(
    context: Context,
    made: Problem,
    model: Model,
    number: int,
    found: list[Found],
    results: list[BlockResult],
    end: RoundEnd,
    extra: Extra,
    record: Record,
) -> None:
    """Make iter_flag-`number`, and the history, on rank 0 from what all ranks have."""
    mine = [
        state.columns(block, result.seen.bright, left)
        for block, result, left in zip(found, results, end.unexplained[: len(found)], strict=True)
    ]
    everybody = [part for rank in context.ranks.gather(mine) for part in rank]
    folder = refine_folder(context.config)
    first(context.ranks, lambda: _write(folder, made, model, number, everybody, end, extra, record))


def _write(
    folder: Path, made: Problem, model: Model, number: int, parts: list[dict[str, NDArray]], end: RoundEnd, extra: Extra, record: Record
) -> None:
    frames = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    reduced_phi = frames["phi"]
    frames |= {"raw_id": made.raw_id, "recovered": np.zeros(len(reduced_phi), bool)}
    if extra.recovered:
        frames = {key: np.concatenate([values, extra.recovered[key]]) for key, values in frames.items()}
    columns = state.model_columns(model.lattice, end.heights)
    settings = json.dumps(state.fingerprint(made))
    stored = orientations.Orientations(number, frames, extra.second, columns, state.shape_of(model), settings)
    records = [*history(folder / f"iter_flag-{number - 1}"), asdict(record)]
    text = "".join(json.dumps(line) + "\n" for line in records)
    with replacing_folder(folder / f"iter_flag-{number}") as temporary:
        orientations.write(temporary / orientations.NAME, stored)
        phi.write(temporary / "total-phi.dat", reduced_phi)
        _write_intensities(temporary, model.lattice, end.heights, crystfel(made.group))
        write_text(temporary / HISTORY, text)
    write_text(folder / HISTORY, text)


def history(folder: Path) -> list[dict]:
    """Records of the rounds up to that of an iter_flag folder; none where it is not there."""
    path = folder / HISTORY
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _write_intensities(folder: Path, table: LatticeTable, heights: Heights, group: str) -> None:
    known = np.isfinite(heights.sigma)
    order = np.lexsort(np.round(table.hkl).astype(int).T[::-1])
    hkl = np.round(table.hkl[order]).astype(np.int32)
    unique = table.unique[order]
    h, k, l = (int(size) // 2 for size in table.lookup.shape)
    hkl_values.write(folder / "hkl-val.dat", (h, k, l), hkl, np.where(known, heights.value, 0.0)[unique])
    seen = known[unique]
    number = np.flatnonzero(seen).astype(np.int32)
    mean_std.write(folder / "intens-mean-std.dat", MeanStd(number, hkl[seen], heights.value[unique][seen], heights.sigma[unique][seen]))
    columns = state.model_columns(table, heights)
    merged = Merged(*(columns[name][known] for name in ("hkl", "height", "sigma", "multiplicity")))
    crystfel_hkl.write(folder / "merged.hkl", merged, group)
