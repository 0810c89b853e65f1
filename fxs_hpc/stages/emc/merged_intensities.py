"""Merged intensities of a reconstruction that is over, of all frames or of a half, on the grid or off it."""

from dataclasses import replace
from pathlib import Path

from fxs_hpc.config.emc.halves import half_path
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.refinement import Refinement
from fxs_hpc.emc.merging import Merged, merge, orbits
from fxs_hpc.emc.symmetry import LaueGroup
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import crystfel_hkl, mean_std
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.finished_runs import HIGH, LOW, last_flag
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.reconstruction_archive import archive_name, archives

OFF_GRID = "off-grid"
KINDS = (OFF_GRID, HIGH, LOW)
"""Kinds of reconstructions, the best first."""
MERGED, SEPARATE = "merged.hkl", "intens-mean-std.dat"


def newest_kind(context: Context) -> str:
    """The best kind of reconstruction there is of both halves, or of all frames where there are no halves.

    Raises
    ------
    InputFileError
        There is none at all.
    """
    for halves in (("A", "B"), (None,)):
        for kind in KINDS:
            if all(folder(context, kind, half) for half in halves):
                return kind
    raise InputFileError(f"{context.home}: no reconstruction is over; run refine-orientations, or low-res-emc and move-recon-files")


def folder(context: Context, kind: str, half: str | None) -> Path | None:
    """The last iter_flag folder with intensities of the newest reconstruction of a kind; None where there is none."""
    if kind == OFF_GRID:
        base = context.config.path(context.config.section(Refinement).refine_dir)
        run = half_path(base, half) if half else base
        return last_flag(run, MERGED) if flag_folders(run) else None
    found = archives(context.config.path(context.config.section(Reconstruction).prob_dir), archive_name(kind, half))
    return last_flag(found[max(found)], SEPARATE) if found else None


def read(path: Path, group: LaueGroup) -> Merged:
    """Merged intensities of an iter_flag folder, of each set of equivalents under the index that `merging.orbits` gives it.

    Sigmas are those of the reconstruction (merged.hkl). Where there is none, as in the runs of the reference program, they come from
    the scatter of each reflection alone (intens-mean-std.dat), as if equivalents were independent.

    Raises
    ------
    InputFileError
        merged.hkl was made with less symmetry than `group` has.
    """
    if not (path / MERGED).exists():
        values = mean_std.read(path / SEPARATE)
        return merge(orbits(values.hkl, group.indices), values.intensity, values.std)
    found = crystfel_hkl.read(path / MERGED)
    groups = orbits(found.hkl, group.indices)
    if len(groups.hkl) != len(found.hkl):
        raise InputFileError(
            f"{path / MERGED}: lists {len(found.hkl)} reflections, but only {len(groups.hkl)} sets of equivalents in the Laue group "
            f"{group.name} of aux/sym-op.dat; make sym-op.dat for the group that the run was made with"
        )
    return replace(found, hkl=groups.hkl[groups.member])
