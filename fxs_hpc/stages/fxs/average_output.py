"""What average leaves behind: fields of average_results.h5, pictures, VTK files, closing lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.average import Average as Settings
from fxs_hpc.files.average_results import AverageWriter
from fxs_hpc.files.reconstructions import ReconstructionSource
from fxs_hpc.files.vtr import write_vtr
from fxs_hpc.files.vts import write_vts
from fxs_hpc.fluctuation.averaging import Average, Candidate, GridFields, centred, grid_fields, normalised, pairwise_correlation
from fxs_hpc.fluctuation.comparison import Comparison, RunAgreement
from fxs_hpc.fluctuation.ensemble import Ensemble
from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.resolution import (
    ShellCurve,
    crossing,
    half_bit_curve,
    half_set_correlation,
    pseudo_correlation,
    transfer_functions,
)
from fxs_hpc.fluctuation.so3 import correlation_map, euler_grid
from fxs_hpc.report.resolution import plot_comparison, plot_fsc, plot_prtf
from fxs_hpc.report.sections import Panel, SphericalAxes, plot_sections, principal_frame
from fxs_hpc.stages.fxs.workspace import Workspace

EDGE_LEVEL = 0.02


@dataclass(frozen=True)
class Summary:
    """Average and resolution curves; `radius` (A) of the averaged particle, `resolution` (A) or None where it is beyond q_max."""

    average: Average
    fields: GridFields
    normalised: NDArray
    errors: tuple[float, ...]
    curves: dict[str, ShellCurve]
    fsc: NDArray[np.float64] | None
    half_bit: NDArray[np.float64]
    pseudo: NDArray[np.float64] | None
    pairwise: NDArray[np.float64]
    radius: float
    prtf_resolution: float | None
    fsc_resolution: float | None


def summarise(
    settings: Settings, ball: BallTransform, ensemble: Ensemble, average: Average, candidates: Sequence[Candidate]
) -> Summary:
    """Fields and resolution of an average."""
    q, wanted = ball.radial.q, settings.resolution_metrics
    fields = grid_fields(ball, average.density, average.amplitude)
    scaled = normalised(fields.density, settings.average_normalization_min)
    dense = np.flatnonzero((scaled.real > EDGE_LEVEL).mean(axis=(0, 1)) > 1e-3)
    radius = float(ball.radial.r[dense[-1]]) if dense.size else ball.radial.r_max
    half_bit = half_bit_curve(q, float(q[1] - q[0]), 2 * radius)
    curves = transfer_functions(ball, average) if wanted.PRTF else {}
    fsc = half_set_correlation(ball, average)
    whole = q >= np.pi / radius  # below, a shell holds less than one independent point
    return Summary(
        average,
        fields,
        scaled,
        tuple(candidates[i].error for i in ensemble.accepted),
        curves,
        fsc,
        half_bit,
        pseudo_correlation(ball, average) if wanted.pseudo_FSC else None,
        pairwise_correlation([ensemble.volumes[i] for i in ensemble.accepted], ball.radial.r_weights),
        radius,
        _length(crossing(q, np.abs(curves["PRTF"].mean), 1 / np.e)) if curves else None,
        None if fsc is None else _length(crossing(q[whole], fsc[whole], half_bit[whole])),
    )


def _length(q: float | None) -> float | None:
    return None if q is None else 2 * np.pi / q


def write_aligned(file: AverageWriter, position: int, fields: GridFields, dtype: np.dtype) -> None:
    """Write the fields of one aligned reconstruction, in the precision of the computation."""
    single = dtype == np.float32
    amplitude = fields.amplitude.astype(np.complex64) if single else fields.amplitude
    density = fields.density
    if single:
        density = density.astype(np.complex64 if np.iscomplexobj(density) else np.float32)
    file.field(f"aligned/{position}/real_density", density)
    file.field(f"aligned/{position}/reciprocal_density", amplitude)


def write_results(file: AverageWriter, ball: BallTransform, ensemble: Ensemble, result: Summary) -> None:
    """Write averages, resolution curves and poses."""
    _write_average(file, "average", result.fields, result.normalised)
    file.field("average/intensity_from_densities", result.average.intensity_from_densities)
    file.field("average/intensity_from_ft_densities", result.average.intensity_from_ft_densities)
    middle = centred(ball, result.average)
    fields = grid_fields(ball, middle.density, middle.amplitude)
    _write_average(file, "centered_average", fields, normalised(fields.density))
    curves = {name: curve.mean for name, curve in result.curves.items()}
    spreads = {f"{name}_std": curve.std for name, curve in result.curves.items()}
    correlations = {"FSC": result.fsc, "FSC_half_bit": result.half_bit, "pseudo_FSC": result.pseudo}
    file.values("resolution_metrics", {"q": ball.radial.q, **curves, **spreads, **correlations})
    file.listed("average_ids", ensemble.accepted)
    for i, volume in enumerate(ensemble.volumes):
        if volume.angles:
            file.listed(f"rotation_angles/{i}", volume.angles)
    volumes = ensemble.volumes
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


def _write_average(file: AverageWriter, group: str, fields: GridFields, scaled: NDArray) -> None:
    file.field(f"{group}/real_density", fields.density)
    file.field(f"{group}/reciprocal_density", fields.amplitude)
    file.field(f"{group}/normalized_real_density", scaled)


def write_comparison(file: AverageWriter, comparison: Comparison, runs: Sequence[RunAgreement]) -> None:
    """Write the agreement with the true object."""
    names = ("clean", "band_limited", "ceiling", "scale", "r_max", "inverted", "fsc_q", "fsc")
    file.values("comparison", {name: getattr(comparison, name) for name in names})
    file.values("comparison", {"pose_matrix": comparison.pose.matrix, "pose_offset": comparison.pose.offset})
    for name, field in (("model", comparison.sharp), ("model_band_limited", comparison.blurred), ("difference", comparison.difference)):
        file.field(f"comparison/{name}", field)
    for name in ("raw", "clean", "band_limited", "scale", "maximum", "hot_voxels"):
        file.values("comparison/runs", {name: [getattr(run, name) for run in runs]})


def write_rotation_metric(
    settings: Settings, workspace: Workspace, number: int, file: AverageWriter, ball: BallTransform, ensemble: Ensemble
) -> None:
    """Overlap of every input, as aligned, with the reference over all further rotations (maximum at the identity)."""
    axes = euler_grid(ball.l_max)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    file.values(".", {"so3_grid": grid})
    n, reference = ball.radial.n_points, ensemble.volumes[ensemble.reference]
    for i, volume in enumerate(ensemble.volumes):
        if i == ensemble.reference:
            continue
        metric = correlation_map(reference.matched[..., :n], volume.matched[..., :n], ball.radial.r_weights)
        file.listed(f"rotation_metric/{i}", [metric.ravel()])
        path = workspace.file("rotation_metric_vtk", dimensions=3, run=number, reconstruction=i, iteration=0)
        write_vtr(path, axes, "overlap", metric)


def write_aligned_vtk(
    settings: Settings, workspace: Workspace, number: int, position: int, fields: GridFields, ball: BallTransform
) -> None:
    """Write one aligned reconstruction as VTK."""
    scalars = {"density": _shells_first(fields.density.real)}
    _write_vtk(workspace, "real_vtk", number, f"aligned_{position}", ball.radial.r, ball, scalars)
    scalars = {"amplitude": _shells_first(np.abs(fields.amplitude))}
    _write_vtk(workspace, "reciprocal_vtk", number, f"aligned_{position}", ball.radial.q, ball, scalars)


def write_input_vtk(
    settings: Settings, workspace: Workspace, number: int, sources: Sequence[ReconstructionSource], candidates: Sequence[Candidate]
) -> None:
    """Write every input as VTK."""
    for i, candidate in enumerate(candidates):
        source = sources[candidate.file]
        stored = source.load(candidate.key)
        path = workspace.file("real_vtk", dimensions=3, run=number, reconstruction=f"input_{i}")
        scalars = {"density": _shells_first(stored.density.real), "support": _shells_first(stored.support)}
        write_vts(path, source.radial.r, source.angular.theta, source.angular.phi, scalars)


def _shells_first(field: NDArray) -> NDArray:
    return np.moveaxis(field, -1, 0)


def _write_vtk(
    workspace: Workspace, key: str, number: int, name: str, radii: NDArray, ball: BallTransform, scalars: dict[str, NDArray]
) -> None:
    path = workspace.file(key, dimensions=3, run=number, reconstruction=name)
    write_vts(path, radii, ball.angular.theta, ball.angular.phi, scalars)


def draw(
    settings: Settings,
    workspace: Workspace,
    number: int,
    ball: BallTransform,
    result: Summary,
    comparison: Comparison | None,
    runs: Sequence[RunAgreement],
) -> None:
    """Pictures and VTK files of the average."""
    options = settings.IO.files.average_results.options
    folder = workspace.folder("averaged_results", dimensions=3, run=number)
    if options.plot_resolution_metrics:
        _draw_curves(folder, ball, result)
        _draw_sections(folder / "sections.png", ball, result, comparison)
        if comparison is not None:
            _draw_comparison(folder / "comparison.png", result, comparison, runs)
    if options.generate_average_vtk:
        _write_average_vtk(workspace, number, ball, result, comparison)


def _draw_curves(folder: Path, ball: BallTransform, result: Summary) -> None:
    q = ball.radial.q
    if result.curves:
        means = {name: curve.mean for name, curve in result.curves.items()}
        plot_prtf(folder / "PRTF.png", q, means, result.curves["PRTF"].std, result.average.count)
    curves = {"averages of even and odd runs": result.fsc, "density and amplitude (pseudo FSC)": result.pseudo}
    known = {name: values for name, values in curves.items() if values is not None}
    if known:
        plot_fsc(folder / "FSC.png", q, known, result.half_bit, result.fsc_resolution)


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


def _draw_sections(path: Path, ball: BallTransform, result: Summary, comparison: Comparison | None) -> None:
    axes = SphericalAxes(ball.radial.r, ball.angular.theta, ball.angular.phi)
    density, count = result.fields.density.real, result.average.count
    if comparison is None:
        panels = [Panel(f"average of {count} reconstructions, normalised", result.normalised.real)]
        frame = principal_frame(density, axes)
        plot_sections(path, panels, axes, 1.15 * result.radius, frame, "Central sections along the principal axes")
        return
    average = comparison.blurred + comparison.difference
    panels = [
        Panel(f"average of {count} reconstructions, in units of the true density", average),
        Panel("true object, as far as q ≤ q max shows it", comparison.blurred),
        Panel("difference", comparison.difference, diverging=True),
    ]
    numbers = {
        "correlation with the band-limited true object": f"{comparison.band_limited:.4f}",
        "with the sharp one": f"{comparison.clean:.4f} (ceiling {comparison.ceiling:.4f})",
        "scale": f"{comparison.scale:.4f}",
    }
    title = "Central sections, in the frame of the true object"
    plot_sections(path, panels, axes, comparison.r_max / 1.25, comparison.pose.matrix, title, numbers)


def _write_average_vtk(
    workspace: Workspace, number: int, ball: BallTransform, result: Summary, comparison: Comparison | None
) -> None:
    shells = ball.radial.r <= 1.5 * result.radius
    scalars = {"density": result.fields.density.real, "normalized_density": result.normalised.real}
    if comparison is not None:
        scalars |= {"model": comparison.sharp, "model_band_limited": comparison.blurred, "difference": comparison.difference}
    real = {name: _shells_first(field[..., shells]) for name, field in scalars.items()}
    _write_vtk(workspace, "real_vtk", number, "average", ball.radial.r[shells], ball, real)
    reciprocal = {
        "amplitude": _shells_first(np.abs(result.fields.amplitude)),
        "intensity": _shells_first(result.average.intensity_from_ft_densities),
    }
    _write_vtk(workspace, "reciprocal_vtk", number, "average", ball.radial.q, ball, reciprocal)


def summary_lines(result: Summary, comparison: Comparison | None, runs: Sequence[RunAgreement]) -> list[str]:
    """What the user reads at the end."""
    count = result.average.count
    lines = []
    if count > 1:
        pairs = result.pairwise[np.triu_indices(count, 1)]
        spread = f"{pairs.min():.3f} .. {pairs.max():.3f}, median {np.median(pairs):.3f}"
        lines.append(f"  average of {count}: correlation between runs {spread}")
        resolved = {"PRTF > 1/e": result.prtf_resolution, "half-set FSC > half-bit": result.fsc_resolution}
        texts = [f"{name} to {f'{value:.1f} A' if value else 'q max'}" for name, value in resolved.items()]
        lines.append(f"  resolution: {', '.join(texts)}")
    if comparison is not None:
        raw = [run.raw for run in runs]
        lines.append(
            f"  against the true object: correlation {comparison.clean:.4f} (ceiling {comparison.ceiling:.4f}), band-limited "
            f"{comparison.band_limited:.4f}, scale {comparison.scale:.4f}, least FSC {comparison.fsc.min():.3f}"
        )
        lines.append(
            f"  runs as stored: correlation {min(raw):.4f} .. {max(raw):.4f}, median {np.median(raw):.4f}, "
            f"hot voxels {sum(run.hot_voxels for run in runs)}"
        )
    return lines
