"""`cal-CC`: how far the intensities can be trusted (CC1/2 and its kin of two halves), and the intensities for other programs.

Writes cal-CC/merged.mtz, merged.hkl (CrystFEL), and with halves cc.dat (the reference program's shells), shells.csv, resolution.png.
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.orientation import Crystal
from fxs_hpc.emc import shell_statistics
from fxs_hpc.emc.merging import Merged, common, orbits, part
from fxs_hpc.emc.reflections import complete_reflections
from fxs_hpc.emc.resolution import LIMIT, resolution
from fxs_hpc.emc.shell_statistics import Shells
from fxs_hpc.emc.space_groups import centred, crystfel, setting
from fxs_hpc.emc.symmetry import LaueGroup
from fxs_hpc.files.atomic import replacing
from fxs_hpc.files.emc import crystfel_hkl, mtz, sym_op
from fxs_hpc.report import emc_resolution
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.merged_intensities import KINDS, folder, newest_kind, read

FOLDER = "cal-CC"
COLUMNS = "d_max d_min cc_half cc_star r_split completeness multiplicity i_over_sigma pairs observed possible".split()


def run(context: Context, shells: int = 10, kind: str | None = None) -> None:
    """Merge, compare the halves, write.

    Parameters
    ----------
    shells : int
        Number of shells of equal volume.
    kind : str, optional
        Of `merged_intensities.KINDS`; the best there is without it. Where all frames have a better reconstruction, its merged.mtz and
        merged.hkl stay, and those of `kind` get its name.
    """
    lattice = inputs.lattice(context)
    group = sym_op.read(context.home / "aux" / "sym-op.dat", lattice)
    name_of_merged = f"merged-{kind}" if kind and any(folder(context, other, None) for other in KINDS[: KINDS.index(kind)]) else "merged"
    kind = kind or newest_kind(context)
    name = setting(context.config.section(Crystal).space_group, group, lattice)
    target = context.home / FOLDER
    target.mkdir(exist_ok=True)
    halves = _halves(context, kind, group)
    merged = _left_by_centring(context, name, _all(context, kind, group, halves))
    if halves:
        there = centred(name, halves[0].hkl)
        halves = part(halves[0], there), part(halves[1], there)
    q = np.linalg.norm(merged.hkl @ lattice.reciprocal.T, axis=1)
    context.say(f"{kind}: {len(merged.hkl)} unique reflections to {1 / q.max():.2f} Angstrom, Laue group {group.name}")
    mtz.write(target / f"{name_of_merged}.mtz", merged, lattice.cell, name, inputs.geometry(context).wavelength, halves)
    crystfel_hkl.write(target / f"{name_of_merged}.hkl", merged, crystfel(group))
    context.say(f"{target / name_of_merged}.mtz ({name}), {name_of_merged}.hkl")
    if halves is None:
        context.say("  no halves of the frames, hence no CC1/2 yet: `fxs-hpc emc resolution` makes and compares them")
        return
    _compare(context, halves, merged, group, name, shells)


def _halves(context: Context, kind: str, group: LaueGroup) -> tuple[Merged, Merged] | None:
    a, b = (folder(context, kind, half) for half in "AB")
    return common(read(a, group), read(b, group)) if a and b else None


def _all(context: Context, kind: str, group: LaueGroup, halves: tuple[Merged, Merged] | None) -> Merged:
    """Intensities of all frames; the mean of the halves where all frames together were not reconstructed."""
    whole = folder(context, kind, None)
    if whole or halves is None:
        return read(whole or folder(context, kind, "A") or context.home, group)
    a, b = halves
    return Merged(a.hkl, (a.intensity + b.intensity) / 2, np.hypot(a.sigma, b.sigma) / 2, a.multiplicity + b.multiplicity)


def _left_by_centring(context: Context, space_group: str, merged: Merged) -> Merged:
    """Without the reflections that a centred lattice does not have; their signal is said, for a wrong space group shows in it."""
    there = centred(space_group, merged.hkl)
    if there.all():
        return merged
    absent = part(merged, ~there)
    signal = np.mean(absent.intensity / np.where(absent.sigma > 0, absent.sigma, np.inf))
    share = absent.intensity.mean() / merged.intensity[there].mean()
    context.say(
        f"{len(absent.hkl)} reflections that the centring of {space_group} extinguishes are left out: <I/sigma> {signal:.1f}, "
        f"mean intensity {share:.1%} of that of the others"
    )
    return part(merged, there)


def _compare(context: Context, halves: tuple[Merged, Merged], merged: Merged, group: LaueGroup, space_group: str, count: int) -> None:
    lattice = inputs.lattice(context)
    q = np.linalg.norm(halves[0].hkl @ lattice.reciprocal.T, axis=1)
    possible = _possible(context, float(q.max()), group)
    possible = possible[centred(space_group, possible)]
    target = context.home / FOLDER
    reference = shell_statistics.statistics(halves, merged, possible, lattice.reciprocal, shell_statistics.linear_edges(float(q.max())))
    filled = reference.pairs > 0
    with replacing(target / "cc.dat") as temporary:
        np.savetxt(temporary, np.column_stack([reference.mean_q, reference.cc_half, reference.cc_star])[filled])
    edges = shell_statistics.equal_volume_edges(float(q.min()) * (1 - 1e-9), float(q.max()) * (1 + 1e-9), count)
    found = shell_statistics.statistics(halves, merged, possible, lattice.reciprocal, edges)
    _write_csv(target / "shells.csv", found)
    for line in table(found):
        context.say(f"  {line}")
    end = resolution(found)
    overall = shell_statistics.pearson(halves[0].intensity, halves[1].intensity)
    context.say(f"CC1/2 of all {overall:.4f}; resolution where CC1/2 falls to {LIMIT}: {end.words}")
    emc_resolution.draw(target / "resolution.png", found, end)


def _possible(context: Context, outer: float, group: LaueGroup) -> NDArray[np.int32]:
    """One reflection of every orbit that is complete up to `outer`."""
    geometry, grid = inputs.geometry(context), inputs.voxel_grid(context)
    unit = geometry.pixel_to_inverse_angstrom
    reflections = complete_reflections(grid, geometry.q_min * unit, outer + 1.01 * grid.tolerance + 2 / grid.scale)
    inside = np.linalg.norm(reflections.positions, axis=1) <= outer * (1 + 1e-9)
    return orbits(reflections.hkl[inside], group.indices).hkl


def table(found: Shells) -> list[str]:
    """Lines of text, one for each shell."""
    lines = ["   d max   d min   CC1/2     CC*  Rsplit  compl.   mult.  I/sig  pairs"]
    for s in range(len(found.mean_q)):
        d_max, d_min = 1 / found.edges[s], 1 / found.edges[s + 1]
        lines.append(
            f"{d_max:8.2f}{d_min:8.2f}{found.cc_half[s]:8.4f}{found.cc_star[s]:8.4f}{found.r_split[s]:8.4f}{found.completeness[s]:8.3f}"
            f"{found.multiplicity[s]:8.1f}{found.signal[s]:7.1f}{found.pairs[s]:7d}"
        )
    return lines


def _write_csv(path: Path, found: Shells) -> None:
    rows = zip(
        1 / found.edges[:-1],
        1 / found.edges[1:],
        found.cc_half,
        found.cc_star,
        found.r_split,
        found.completeness,
        found.multiplicity,
        found.signal,
        found.pairs,
        found.observed,
        found.possible,
        strict=True,
    )
    with replacing(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
