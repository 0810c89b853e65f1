"""Settings of `simulate_ccd`: cross-correlations of a density made of simple shapes."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import model_validator

from fxs_hpc.config.common import Dimensions, FourierTransform, Gpu, MaxQ, SettingsVersion, dimensions, settings_version
from fxs_hpc.config.fields import Count, FiniteReal, Index, No, Positive, Section, respelled, section, setting
from fxs_hpc.config.storage import Entry, Options, Storage, StructureName, structure_name
from fxs_hpc.config.trees import with_default

Shape = Annotated[
    Literal["sphere", "tetrahedron", "cube"],
    respelled(
        {"thethrahedron": "tetrahedron", "thetrahedron": "tetrahedron", "triangle": "tetrahedron", "disc": "sphere", "square": "cube"}
    ),
]
PLANE_CENTERS = ((0.0, 0.0), *((140.0, k * 1.2566370614359172) for k in range(5)))
"""Default of shapes.centers in 2D."""
Center = tuple[FiniteReal, FiniteReal, FiniteReal] | tuple[FiniteReal, FiniteReal]


class Grid(MaxQ):
    """Radial and angular grid."""

    max_q: Positive | No = setting(False, "largest momentum transfer; False = from oversampling", "1/A")
    oversampling: Positive = setting(8.0, "radius of the grid in units of the particle's radius, used where max_q is False")
    max_order: Count = setting(63, "largest harmonic order L")
    n_radial_points: Count = setting(256, "number N of radial points in real and reciprocal space")


class Shapes(Section):
    """The shapes that make up the density; all lists have one entry per shape."""

    types: tuple[Shape, ...] = setting(("sphere",) * 6, "kind of each shape; in 2D a cube is a square and a tetrahedron a triangle")
    centers: tuple[Center, ...] = setting(
        ((0.0, 0.0, 0.0), *((140.0, 1.5707963267948966, k * 1.2566370614359172) for k in range(5))),
        "spherical (r, theta, phi) in 3D, polar (r, phi) in 2D (there the same places by default)",
        "A, rad",
    )
    sizes: tuple[Positive, ...] = setting((70.0,) * 6, "radius of a sphere, half the side of a cube, circum-radius of a tetrahedron", "A")
    densities: tuple[FiniteReal, ...] = setting((25.0, 50.0, 25.0, 50.0, 25.0, 50.0), "value added inside each shape")
    random_orientation: tuple[bool, ...] = setting((False,) * 6, "rotate each shape by a random rotation (see seed)")

    @model_validator(mode="after")
    def _equal_lengths(self) -> "Shapes":
        lengths = {name: len(getattr(self, name)) for name in type(self).model_fields}
        if len(set(lengths.values())) != 1 or not self.types:
            raise ValueError("all lists need one entry per shape, found " + ", ".join(f"{name}: {n}" for name, n in lengths.items()))
        return self


class CrossCorrelationSettings(Section):
    """How C(q1, q2, Delta) is made."""

    method: Literal["back_substitution", "lstsq", "legendre"] = setting(
        "back_substitution", "formula for C in 3D; in 2D it is the Fourier series of the B_n"
    )
    xray_wavelength: Positive = setting(1.23984, "X-ray wavelength; decides the curvature of the Ewald sphere", "A")


class CcdOptions(Options):
    """What is written beside the correlations."""

    save_model_vtk: bool = setting(True, "write model_density.vts")
    save_symlink: bool = setting(True, "let the symlink point to this result")
    save_settings: bool = setting(True, "write settings.yaml")


class CcdEntry(Entry):
    """File of the cross-correlations."""

    options: CcdOptions = section(CcdOptions)
    name: str = setting("ccd.h5", "file name")
    folder: str = setting("ccd_archive", "key of the folder in IO.folders")


def entry(name: str, folder: str) -> Any:
    """A file with a default name and folder."""
    return setting(Entry(name=name, folder=folder), "name and folder of the file")


def unused_entry(name: str, folder: str, instead: str) -> Any:
    """A file of the reference program that this package neither reads nor writes."""
    return setting(Entry(name=name, folder=folder), "", only=(Entry(name=name, folder=folder),), instead=instead)


def weights_entry() -> Any:
    """File of the transform's weights."""
    return unused_entry("weights{postfix}_{type}.h5", "ft_weights", "weights are computed in seconds, no file holds them")


class SimulateStorage(Storage):
    """Folders and files."""

    default_folders: ClassVar[Mapping[str, Any]] = {
        "data": {"base": "data/fxs/"},
        "ft_weights": {"data": "ft_weights/"},
        "ccd": {"data": "ccd/"},
        "ccd_archive": {"ccd": "archive/{dimensions}d_{structure_name}/{date}/run_{run}/"},
    }

    class Files(Section):
        """Files."""

        ccd: CcdEntry = section(CcdEntry)
        ccd_symlink: Entry = entry("{dimensions}d_{structure_name}.h5", "ccd")
        model_density: Entry = entry("model_density.vts", "ccd_archive")
        model_intensity: Entry = entry("model_intensity.vts", "ccd_archive")
        ft_weights: Entry = weights_entry()

    files: Files = section(Files)


class SimulateCcd(Section):
    """Simulate cross-correlations of a density made of simple shapes."""

    derived: ClassVar[tuple[str, ...]] = ("shapes.centers",)
    """Keys whose default follows another key."""

    settings_version: SettingsVersion = settings_version()
    dimensions: Dimensions = dimensions()
    structure_name: StructureName = structure_name()
    seed: Index = setting(0, "seed of the random rotations; the same seed gives the same density")
    grid: Grid = section(Grid)
    fourier_transform: FourierTransform = section(FourierTransform)
    shapes: Shapes = section(Shapes)
    shape_size: Positive | No = setting(False, "diameter of the particle, used with oversampling; False = from the shapes", "A")
    n_particles: Count = setting(1, "number of particles per pattern")
    cross_correlation: CrossCorrelationSettings = section(CrossCorrelationSettings)
    GPU: Gpu = section(Gpu)
    n_processes: bool | Count = setting(True, "threads, never more than those of config.ini; True or False = those of config.ini")
    save_vtk_density: bool = setting(True, "write model_density.vts (with IO.files.ccd.options.save_model_vtk)")
    save_vtk_intensity: bool = setting(False, "write model_intensity.vts")
    IO: SimulateStorage = section(SimulateStorage)

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """The default centres follow the dimensions."""
        return with_default(tree, "shapes.centers", PLANE_CENTERS) if tree.get("dimensions") == 2 else tree

    @model_validator(mode="after")
    def _coordinates(self) -> "SimulateCcd":
        for center in self.shapes.centers:
            if len(center) != self.dimensions:
                raise ValueError(
                    f"shapes.centers: {center} has {len(center)} coordinates, dimensions {self.dimensions} wants {self.dimensions}"
                )
        return self
