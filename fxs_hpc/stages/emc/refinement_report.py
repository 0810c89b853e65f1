"""What people and other programs look at after refine-orientations: made from the files of the last round, when the rounds are over.

refine_dir/: refinement.png, history.png, orientations.png (sphere maps), frames.csv and frames.h5 (a line for each frame),
orientations.stream (CrystFEL), intensity.mrc and intensity.vti (`intensity_map`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Frames
from fxs_hpc.config.emc.orientation import Crystal
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.refinement.judging import LEAST_GAIN
from fxs_hpc.emc.refinement.search import LEAST_GAIN as LEAST_SECOND
from fxs_hpc.emc.space_groups import main_axis
from fxs_hpc.emc.symmetry import LaueGroup, space_group_settings
from fxs_hpc.files.emc import crystfel_stream, file_lists, orientations, refined_frames
from fxs_hpc.files.emc.crystfel_stream import StreamCell, StreamFrame
from fxs_hpc.files.emc.orientations import Orientations
from fxs_hpc.files.frames import split
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.finished_runs import refine_folder
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.make_map import write_off_grid
from fxs_hpc.stages.emc.refinement_inputs import Problem
from fxs_hpc.stages.emc.refinement_output import history

_SYSTEMS = (("m-3", "cubic"), ("6", "hexagonal"), ("-3", "hexagonal"), ("4", "tetragonal"), ("mmm", "orthorhombic"), ("2", "monoclinic"))


_OF_SECOND = {
    "second_phi": "phi",
    "second_error": "rotation_error",
    "second_log_likelihood": "log_likelihood",
    "first_log_likelihood": "first_log_likelihood",
}


def write(context: Context, made: Problem) -> None:
    """Write all of it; by one rank."""
    folder = refine_folder(context.config)
    last = list(flag_folders(folder).values())[-1]
    stored = orientations.read(last / orientations.NAME)
    refined_frames.write(folder, table(stored))
    cell = stream_cell(made.lattice, made.group, context.config.section(Crystal).space_group or "")
    width, wavelength = stored.shape["width"], made.geometry.wavelength
    frames = _stream_frames(stored, made.lattice, _names(context, stored.frames["raw_id"]))
    target = folder / crystfel_stream.NAME
    crystfel_stream.write(target, frames, cell, made.geometry.beam, wavelength, width, made.options.limit)
    if edge := context.config.section(Reconstruction).map_edge:
        write_off_grid(context, last, edge)
    _draw(folder, last, stored, made)


def _draw(folder: Path, last: Path, stored: Orientations, made: Problem) -> None:
    # A tenth of the time of a small run is spent on importing what draws; nobody but this needs it.
    from fxs_hpc.report import orientations as maps
    from fxs_hpc.report import refinement as pictures

    frames = stored.frames
    pictures.plot_round(folder / "refinement.png", frames, made.model.lattice, stored.model)
    pictures.plot_history(folder / "history.png", history(last))
    some = np.isfinite(frames["log_likelihood"])
    sphere = maps.Sphere(made.geometry.beam, made.lattice.basis[:, 2], made.group.matrices)
    maps.draw(folder / "orientations.png", frames["quaternion"][some], frames["accepted"][some], frames["phi"][some], sphere)


def table(stored: Orientations) -> dict[str, NDArray]:
    """Columns of `refined_frames`."""
    frames = stored.frames
    some = np.isfinite(frames["log_likelihood"])
    error = np.sqrt(np.where(some[:, None], np.diagonal(frames["covariance"], axis1=1, axis2=2), np.nan))
    bright = frames["bright"]
    columns = {name: frames[name] for name in ("raw_id", "recovered", "bright", "unexplained")}
    columns |= {"frame": np.arange(len(some)), "verdict": verdicts(stored), "phi": frames["phi"], "phi_error": frames["phi"] * error[:, 3]}
    columns |= {f"error_{axis}": np.degrees(error[:, place]) for place, axis in enumerate("xyz")}
    columns |= {
        "error": np.where(some, frames["rotation_error"], np.nan),
        "log_likelihood": np.where(some, frames["log_likelihood"], np.nan),
    }
    columns["misfit"] = np.divide(frames["unexplained"], bright, out=np.zeros(len(bright)), where=bright > 0)
    columns |= {f"strain_{axis}": frames["strain"][:, place] for place, axis in enumerate("abc")}
    columns |= {f"q{place}": frames["quaternion"][:, place] for place in range(4)}
    return columns | {"width_ratio": np.exp(frames["log_variance"] / 2)} | _second(stored.second, len(some))


def verdicts(stored: Orientations) -> NDArray[np.str_]:
    """In a word, what became of each frame."""
    frames = stored.frames
    both, other = np.zeros((2, len(frames["phi"])), bool)
    if stored.second:
        explains, needed = stored.second["accepted"], stored.second["first_log_likelihood"] >= LEAST_SECOND
        both[stored.second["frame"][explains & needed]] = True
        other[stored.second["frame"][explains & ~needed]] = True
    blank = ~(frames["log_likelihood"] >= LEAST_GAIN)
    words = (refined_frames.ACCEPTED, refined_frames.TWO_LATTICES, refined_frames.OTHER, refined_frames.BLANK)
    return np.select((frames["accepted"], both, other, blank), words, refined_frames.UNEXPLAINED)


def _second(second: Mapping[str, NDArray], count: int) -> dict[str, NDArray]:
    columns = {name: np.full(count, np.nan) for name in _OF_SECOND}
    if second:
        for name, source in _OF_SECOND.items():
            columns[name][second["frame"]] = second[source]
    return columns


def stream_cell(lattice: Lattice, group: LaueGroup, space_group: str) -> StreamCell:
    """The cell as CrystFEL describes one: the system of the Laue group, its main axis, the centring of the space group."""
    system = next((system for start, system in _SYSTEMS if group.name.startswith(start)), "triclinic")
    settings = space_group_settings(space_group)
    centering = settings[0].centring_type() if settings else "P"
    a, b, c, alpha, beta, gamma = lattice.cell
    if system == "hexagonal" and group.name.startswith("-3") and np.allclose((b / a, c / a, beta / alpha, gamma / alpha), 1, atol=1e-3):
        return StreamCell("rhombohedral", "*", "R", lattice.cell)
    if centering == "R":
        centering = "H"
    return StreamCell(system, main_axis(group) if system in ("monoclinic", "tetragonal", "hexagonal") else "*", centering, lattice.cell)


def _names(context: Context, raw_id: NDArray[np.int64]) -> list[tuple[str, str]]:
    """File and event of each frame."""
    folder = context.home / "make-background"
    if not file_lists.exist(folder):
        return [(f"raw frame {number}", "") for number in raw_id.tolist()]
    names = file_lists.read(folder, context.home, context.config.section(Frames).num_raw_data).frames
    parts = [split(names[number]) for number in raw_id.tolist()]
    return [(str(path), "" if number is None else f"//{number}") for path, number in parts]


def _stream_frames(stored: Orientations, lattice: Lattice, names: list[tuple[str, str]]) -> Iterator[StreamFrame]:
    frames, second = stored.frames, stored.second
    others = {int(frame): place for place, frame in enumerate(second["frame"])} if second else {}
    first = np.isin(verdicts(stored), (refined_frames.ACCEPTED, refined_frames.TWO_LATTICES))
    for d, (image, event) in enumerate(names):
        crystals = [_reciprocal(frames, d, lattice)] if first[d] else []
        if d in others and second["accepted"][others[d]]:
            crystals.append(_reciprocal(second, others[d], lattice))
        yield StreamFrame(image, event, int(frames["raw_id"][d]) + 1, tuple(crystals))


def _reciprocal(columns: Mapping[str, NDArray], d: int, lattice: Lattice) -> NDArray[np.float64]:
    """a*, b*, c* of a frame's crystal in the laboratory, as columns."""
    return np.asarray(columns["rotation"][d].T @ (lattice.reciprocal * (1 + columns["strain"][d])))
