"""What average leaves behind: fields of average_results.h5, pictures, VTK files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.average import AverageOptions
from fxs_hpc.files.average_results import AverageWriter
from fxs_hpc.files.reconstructions import ReconstructionSource
from fxs_hpc.fluctuation.averaging import Candidate, GridFields, centred, grid_fields, normalised
from fxs_hpc.fluctuation.comparison import Comparison, RunAgreement
from fxs_hpc.fluctuation.ensemble import Ensemble
from fxs_hpc.fluctuation.field_transform import FieldTransform
from fxs_hpc.report.resolution import plot_comparison, plot_fsc, plot_invariant_overlap, plot_prtf
from fxs_hpc.stages.fxs.average_summary import Summary
from fxs_hpc.stages.fxs.average_views import View
from fxs_hpc.stages.fxs.workspace import Workspace


@dataclass(frozen=True)
class Destination:
    """Where one run writes, and what it has been asked for."""

    workspace: Workspace
    number: int
    view: View
    options: AverageOptions

    @property
    def space(self) -> FieldTransform:
        """The transforms of the run."""
        return self.view.space

    @property
    def folder(self) -> Path:
        """Folder of the results."""
        return self.workspace.folder("averaged_results", dimensions=self.space.dimensions, run=self.number)

    def vtk(self, key: str, name: str, radii: NDArray[np.floating], fields: dict[str, NDArray]) -> None:
        """Write fields (..., N) as the VTK file `key` of the reconstruction `name`."""
        path = self.workspace.file(key, dimensions=self.space.dimensions, run=self.number, reconstruction=name)
        self.view.write_vtk(path, radii, fields)


def write_aligned(file: AverageWriter, target: Destination, position: int, fields: GridFields) -> None:
    """Write the fields of one aligned reconstruction, in the precision of the computation."""
    single = target.space.dtype == np.float32
    amplitude = fields.amplitude.astype(np.complex64) if single else fields.amplitude
    density = fields.density
    if single:
        density = density.astype(np.complex64 if np.iscomplexobj(density) else np.float32)
    file.field(f"aligned/{position}/real_density", density)
    file.field(f"aligned/{position}/reciprocal_density", amplitude)
    if target.options.generate_aligned_vtk:
        radial, name = target.space.radial, f"aligned_{position}"
        target.vtk("real_vtk", name, radial.r, {"density": fields.density.real})
        target.vtk("reciprocal_vtk", name, radial.q, {"amplitude": np.abs(fields.amplitude)})


def write_results(file: AverageWriter, target: Destination, ensemble: Ensemble, result: Summary, minimum: float) -> None:
    """Write averages, resolution curves and poses; `minimum` becomes 0 in the normalised densities."""
    _write_average(file, "average", result.fields, result.normalised)
    file.field("average/intensity_from_densities", result.average.intensity_from_densities)
    file.field("average/intensity_from_ft_densities", result.average.intensity_from_ft_densities)
    middle = centred(target.space, result.average)
    fields = grid_fields(target.space, middle.density, middle.amplitude)
    _write_average(file, "centered_average", fields, normalised(fields.density, minimum))
    curves = {name: curve.mean for name, curve in result.curves.items()}
    spreads = {f"{name}_std": curve.std for name, curve in result.curves.items()}
    correlations = {"FSC": result.fsc, "FSC_half_bit": result.half_bit, "pseudo_FSC": result.pseudo, "FQCB": result.fqcb}
    file.values("resolution_metrics", {"q": target.space.radial.q, **curves, **spreads, **correlations})
    _write_poses(file, ensemble, result)
    target.view.write_alignment(file, ensemble)


def _write_average(file: AverageWriter, group: str, fields: GridFields, scaled: NDArray) -> None:
    file.field(f"{group}/real_density", fields.density)
    file.field(f"{group}/reciprocal_density", fields.amplitude)
    file.field(f"{group}/normalized_real_density", scaled)


def _write_poses(file: AverageWriter, ensemble: Ensemble, result: Summary) -> None:
    volumes = ensemble.volumes
    file.listed("average_ids", ensemble.accepted)
    for i, volume in enumerate(volumes):
        if volume.angles:
            file.listed(f"rotation_angles/{i}", volume.angles)
    file.values(
        "alignment",
        {
            "errors": [volume.error for volume in volumes],
            "inverted": [volume.inverted for volume in volumes],
            "centres": [volume.centre for volume in volumes],
            "shifts": [volume.shift for volume in volumes],
            "reference": ensemble.reference,
            "accepted": ensemble.accepted,
            "pairwise_correlation": result.pairwise,
        },
    )


def write_comparison(file: AverageWriter, comparison: Comparison, runs: Sequence[RunAgreement]) -> None:
    """Write the agreement with the true object."""
    names = ("clean", "band_limited", "ceiling", "scale", "r_max", "inverted", "fsc_q", "fsc")
    file.values("comparison", {name: getattr(comparison, name) for name in names})
    file.values("comparison", {"pose_matrix": comparison.pose.matrix, "pose_offset": comparison.pose.offset})
    for name, field in (("model", comparison.sharp), ("model_band_limited", comparison.blurred), ("difference", comparison.difference)):
        file.field(f"comparison/{name}", field)
    for name in ("raw", "clean", "band_limited", "scale", "maximum", "hot_voxels"):
        file.values("comparison/runs", {name: [getattr(run, name) for run in runs]})


def write_input_vtk(target: Destination, sources: Sequence[ReconstructionSource], candidates: Sequence[Candidate]) -> None:
    """Write every input as VTK."""
    for i, candidate in enumerate(candidates):
        source = sources[candidate.file]
        stored = source.load(candidate.key)
        target.vtk("real_vtk", f"input_{i}", source.radial.r, {"density": stored.density.real, "support": stored.support})
        target.vtk("reciprocal_vtk", f"input_{i}", source.radial.q, {"amplitude": np.abs(stored.amplitude)})


def draw(target: Destination, result: Summary, comparison: Comparison | None, runs: Sequence[RunAgreement]) -> None:
    """Pictures and VTK files of the average."""
    if target.options.plot_resolution_metrics:
        _draw_curves(target, result)
        target.view.draw(target.folder, result, comparison)
        if comparison is not None:
            _draw_comparison(target.folder / "comparison.png", result, comparison, runs)
    if target.options.generate_average_vtk:
        _write_average_vtk(target, result, comparison)


def _draw_curves(target: Destination, result: Summary) -> None:
    q, folder = target.space.radial.q, target.folder
    if result.curves:
        means = {name: curve.mean for name, curve in result.curves.items()}
        plot_prtf(folder / "PRTF.png", q, means, result.curves["PRTF"].std, result.average.count)
    curves = {"averages of even and odd runs": result.fsc, "density and amplitude (pseudo FSC)": result.pseudo}
    known = {name: values for name, values in curves.items() if values is not None}
    if known:
        title = f"Fourier {target.view.shell_name} correlation"
        plot_fsc(folder / "FSC.png", q, known, result.half_bit, result.fsc_resolution, title)
    if result.fqcb is not None:
        plot_invariant_overlap(folder / "FQCB.png", q, result.fqcb)


def _draw_comparison(path: Path, result: Summary, comparison: Comparison, runs: Sequence[RunAgreement]) -> None:
    per_run = {
        "with the band-limited object": [run.band_limited for run in runs],
        "cleaned, with the sharp object": [run.clean for run in runs],
        "as stored, with the sharp object": [run.raw for run in runs],
    }
    lines = {
        "average, with the band-limited object": comparison.band_limited,
        "average, with the sharp object": comparison.clean,
        "ceiling: band-limited with sharp object": comparison.ceiling,
    }
    plot_comparison(path, comparison.fsc_q, comparison.fsc, result.errors, per_run, lines)


def _write_average_vtk(target: Destination, result: Summary, comparison: Comparison | None) -> None:
    radial = target.space.radial
    shells = radial.r <= 1.5 * result.radius
    fields = {"density": result.fields.density.real, "normalized_density": result.normalised.real}
    if comparison is not None:
        fields |= {"model": comparison.sharp, "model_band_limited": comparison.blurred, "difference": comparison.difference}
    target.vtk("real_vtk", "average", radial.r[shells], {name: field[..., shells] for name, field in fields.items()})
    amplitude, intensity = np.abs(result.fields.amplitude), result.average.intensity_from_ft_densities
    target.vtk("reciprocal_vtk", "average", radial.q, {"amplitude": amplitude, "intensity": intensity})
