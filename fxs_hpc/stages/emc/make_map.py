"""`make-map`: the intensity of a reconstruction in reciprocal space as a map (MRC and VTK), whenever it is wanted."""

from dataclasses import replace
from pathlib import Path

from fxs_hpc.config.emc.orientation import Lattice
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import crystfel_hkl, intensity, orientations, sym_op
from fxs_hpc.stages.emc import emc_inputs, inputs
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.finished_runs import HIGH, half, last_flag
from fxs_hpc.stages.emc.intensity_map import write_peaks, write_voxels
from fxs_hpc.stages.emc.merged_intensities import KINDS, MERGED, OFF_GRID, folder
from fxs_hpc.stages.emc.setup_quat import high_cutoff

VOXELS = "finish_intensity.bin"
DEFAULT_EDGE: int = Reconstruction.model_fields["map_edge"].default


def run(context: Context, kind: str | None = None, edge: int | None = None) -> None:
    """Write intensity.mrc and intensity.vti into the folder of a reconstruction that is over.

    Parameters
    ----------
    kind : str, optional
        off-grid, high-res-recon or low-res-recon; the best there is of this config without it.
    edge : int, optional
        Points along an edge, at most; without it `map_edge` of config.ini, and 256 where that is 0.
    """
    if context.ranks.rank:
        return
    points = edge or context.config.section(Reconstruction).map_edge or DEFAULT_EDGE
    kind, flag = _newest(context, kind)
    context.say(f"{kind}: {flag}")
    if kind == OFF_GRID:
        context.say(write_off_grid(context, flag, points))
        return
    cutoff = high_cutoff(context) if kind == HIGH else context.config.section(Lattice).res_cutoff
    source = last_flag(flag.parent, VOXELS)
    model, _ = emc_inputs.model(context, inputs.geometry(context), cutoff)
    values = intensity.read(source / VOXELS, len(model.reflections.voxels))
    context.say(write_voxels(flag.parent, model.reflections, values, points))


def plan(context: Context) -> Plan:
    """The map in memory twice, and on disk."""
    size = 4 * context.config.section(Reconstruction).map_edge ** 3
    return Plan(memory=2 * 10**8 + 2 * size, disk=int(1.2 * size))


def write_off_grid(context: Context, flag: Path, edge: int) -> str:
    """Write the map of the peaks of a refinement, of the width that was found, beside its iter_flag folder; a line that describes it."""
    shape = orientations.read(flag / orientations.NAME).shape
    merged = crystfel_hkl.read(flag / MERGED)
    heights = merged.intensity * (shape["reference_width"] / shape["width"]) ** 3
    lattice = inputs.lattice(context)
    group = sym_op.read(context.home / "aux" / "sym-op.dat", lattice)
    return write_peaks(flag.parent, replace(merged, intensity=heights), lattice, group, shape["width"], edge)


def _newest(context: Context, wanted: str | None) -> tuple[str, Path]:
    """Kind and last flag of the best reconstruction of this config, or of the wanted one."""
    for kind in (wanted,) if wanted else KINDS:
        if found := folder(context, kind, half(context.config)):
            return kind, found
    raise InputFileError(
        f"{context.home}: no {wanted or 'reconstruction'} is over; run refine-orientations, or low-res-emc and move-recon-files, first"
    )
