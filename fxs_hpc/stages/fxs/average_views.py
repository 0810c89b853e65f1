"""How averages of the ball and of the disc differ: their transforms, pictures, VTK files, and what the file holds of the alignment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.files.average_results import AverageWriter
from fxs_hpc.files.reconstructions import ReconstructionSource
from fxs_hpc.files.vtr import write_vtr
from fxs_hpc.files.vts import write_plane_vts, write_vts
from fxs_hpc.fluctuation.comparison import Comparison
from fxs_hpc.fluctuation.ensemble import Ensemble
from fxs_hpc.fluctuation.field_transform import FieldTransform
from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.plane_alignment import DiscFields, inversion_metric
from fxs_hpc.fluctuation.so3 import correlation_map, euler_grid
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.report.plane import PlanePanel, plot_plane
from fxs_hpc.report.sections import Panel, SphericalAxes, plot_sections, principal_frame
from fxs_hpc.stages.fxs.average_inputs import working_order
from fxs_hpc.stages.fxs.average_summary import Summary
from fxs_hpc.stages.fxs.workspace import Workspace


class View(Protocol):
    """What the run asks of the number of dimensions."""

    shell_name: str
    """shell or ring."""

    @property
    def space(self) -> FieldTransform:
        """The transforms."""
        ...

    def write_vtk(self, path: Path, radii: NDArray[np.floating], fields: Mapping[str, NDArray]) -> None:
        """Write fields (..., N) as a structured grid."""
        ...

    def draw(self, folder: Path, result: Summary, comparison: Comparison | None) -> None:
        """Draw the average."""
        ...

    def write_alignment(self, file: AverageWriter, ensemble: Ensemble) -> None:
        """Write what decided about the poses."""
        ...

    def write_rotation_metric(self, file: AverageWriter, ensemble: Ensemble, workspace: Workspace, number: int) -> str | None:
        """Write the overlap over all rotations of each input; returns a note where there is none."""
        ...


def view_of(source: ReconstructionSource, dtype: type[np.floating]) -> View:
    """The view that a file of reconstructions asks for."""
    radial, angular, order = source.radial, source.angular, working_order(source)
    if isinstance(angular, AngularGrid):
        return BallView(BallTransform(radial, angular, order, dtype=dtype))
    return DiscView(DiscFields(radial, angular, order, dtype=dtype))


class BallView:
    """Averages in three dimensions."""

    shell_name = "shell"

    def __init__(self, space: BallTransform) -> None:
        self.space = space

    def write_vtk(self, path: Path, radii: NDArray[np.floating], fields: Mapping[str, NDArray]) -> None:
        """Write fields (n_theta, n_phi, N)."""
        angular = self.space.angular
        write_vts(path, radii, angular.theta, angular.phi, {name: np.moveaxis(field, -1, 0) for name, field in fields.items()})

    def write_alignment(self, file: AverageWriter, ensemble: Ensemble) -> None:
        """In space the rotation metric tells, which is written on request."""

    def write_rotation_metric(self, file: AverageWriter, ensemble: Ensemble, workspace: Workspace, number: int) -> str | None:
        """Overlap of every input, as aligned, with the reference over all further rotations (maximum at the identity)."""
        space = self.space
        axes = euler_grid(space.l_max)
        file.values(".", {"so3_grid": np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)})
        n, reference = space.radial.n_points, ensemble.volumes[ensemble.reference]
        for i, volume in enumerate(ensemble.volumes):
            if i == ensemble.reference:
                continue
            metric = correlation_map(reference.matched[..., :n], volume.matched[..., :n], space.radial.r_weights)
            file.listed(f"rotation_metric/{i}", [metric.ravel()])
            path = workspace.file("rotation_metric_vtk", dimensions=3, run=number, reconstruction=i, iteration=0)
            write_vtr(path, axes, "overlap", metric)
        return None

    def draw(self, folder: Path, result: Summary, comparison: Comparison | None) -> None:
        """sections.png: central sections of the average, of the true object where it is known, and of their difference."""
        path, space = folder / "sections.png", self.space
        axes = SphericalAxes(space.radial.r, space.angular.theta, space.angular.phi)
        density, count = result.fields.density.real, result.average.count
        if comparison is None:
            panels = [Panel(f"average of {count} reconstructions, normalised", result.normalised.real)]
            frame = principal_frame(density, axes)
            plot_sections(path, panels, axes, 1.15 * result.radius, frame, "Central sections along the principal axes")
            return
        panels = [
            Panel(f"average of {count} reconstructions, in units of the true density", comparison.blurred + comparison.difference),
            Panel("true object, as far as q ≤ q max shows it", comparison.blurred),
            Panel("difference", comparison.difference, diverging=True),
        ]
        title = "Central sections, in the frame of the true object"
        reach = comparison.r_max / 1.25
        plot_sections(path, panels, axes, reach, comparison.pose.matrix, title, _numbers(comparison))


class DiscView:
    """Averages in the plane."""

    shell_name = "ring"

    def __init__(self, space: DiscFields) -> None:
        self.space = space

    def write_vtk(self, path: Path, radii: NDArray[np.floating], fields: Mapping[str, NDArray]) -> None:
        """Write fields (n_phi, N)."""
        write_plane_vts(path, radii, self.space.angular.phi, {name: np.moveaxis(field, -1, 0) for name, field in fields.items()})

    def write_alignment(self, file: AverageWriter, ensemble: Ensemble) -> None:
        """inversion_metric/<i> of every input but the reference."""
        reference = ensemble.volumes[ensemble.reference]
        metrics = {
            str(i): inversion_metric(self.space, reference, volume)
            for i, volume in enumerate(ensemble.volumes)
            if i != ensemble.reference
        }
        file.values("inversion_metric", metrics)

    def write_rotation_metric(self, file: AverageWriter, ensemble: Ensemble, workspace: Workspace, number: int) -> str | None:
        """Nothing: the group SO(3) is that of space."""
        return "generate_rotation_metric_vtk is for three dimensions; in the plane inversion_metric is in average_results.h5"

    def draw(self, folder: Path, result: Summary, comparison: Comparison | None) -> None:
        """average.png: density and log intensity of the average; the true object and the difference where it is known."""
        title = f"average of {result.average.count} reconstructions"
        intensity = result.average.intensity_from_ft_densities
        if comparison is None:
            panels = [PlanePanel("density, normalised", result.normalised.real.T), self._pattern(intensity)]
            self._plot(folder, panels, 1.3 * result.radius, title)
            return
        # Isometries of the plane that phasing leaves open are rotations: so the picture can have the pose of the true object.
        cosine, sine = comparison.pose.matrix[:, 0]
        fields = (comparison.blurred + comparison.difference, comparison.blurred, comparison.difference, intensity)
        average, model, difference, turned = (self._turned(field, np.arctan2(sine, cosine)) for field in fields)
        panels = [
            PlanePanel("average, in units of the object", average.T),
            PlanePanel("true object, q ≤ q max", model.T),
            PlanePanel("difference", difference.T, diverging=True),
            self._pattern(turned),
        ]
        numbers = ", ".join(f"{name} {value}" for name, value in _numbers(comparison).items())
        self._plot(folder, panels, comparison.r_max / 1.25, f"{title}: {numbers}")

    def _turned(self, field: NDArray[np.floating], angle: float) -> NDArray[np.floating]:
        space = self.space
        return space.synthesise(space.rotated(space.analyse(np.asarray(field, np.float64)[None]), np.array([angle])))[0]

    def _pattern(self, intensity: NDArray[np.floating]) -> PlanePanel:
        radial = self.space.radial
        return PlanePanel("mean intensity", intensity.T, logarithmic=True, r=radial.q, radius=radial.q_max, unit="1/Å")

    def _plot(self, folder: Path, panels: list[PlanePanel], reach: float, title: str) -> None:
        plot_plane(folder / "average.png", panels, self.space.radial.r, self.space.angular.phi, reach, title)


def _numbers(comparison: Comparison) -> dict[str, str]:
    return {
        "correlation with the band-limited true object": f"{comparison.band_limited:.4f}",
        "with the sharp one": f"{comparison.clean:.4f} (ceiling {comparison.ceiling:.4f})",
        "scale": f"{comparison.scale:.4f}",
    }
