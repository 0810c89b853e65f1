"""Settings of `simulate_patterns`: scattering patterns of particles in random orientations."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from fxs_hpc.config.common import Dimensions, SettingsVersion, settings_version
from fxs_hpc.config.fields import Count, FiniteReal, Index, No, NotNegative, Positive, Section, section, setting
from fxs_hpc.config.simulate_ccd import PLANE_CENTERS, Shapes, entry
from fxs_hpc.config.storage import Entry, Options, Storage, StructureName, structure_name
from fxs_hpc.config.trees import with_default

Rectangle = tuple[Index, Index, Index, Index]


class Truth(Section):
    """What is stored about the object, to compare results with."""

    max_order: Index = setting(32, "highest order of the exact invariants B_l")
    n_radial_points: Count = setting(64, "radial points of B_l, from 0 to the edge of the detector")
    n_shells: Count = setting(64, "shells of the stored density, to its outer radius")


class PatternOptions(Options):
    """How patterns are written."""

    format: Literal["raw", "hdf5"] = setting(
        "raw", "raw: a float32 file each; hdf5: counts, compressed, in files of patterns_per_file (CXI)"
    )
    patterns_per_file: Count = setting(256, "patterns in a file of format hdf5")
    save_symlink: bool = setting(True, "let the links point to this result")
    save_pictures: bool = setting(True, "PNG of the first patterns")


class PatternEntry(Entry):
    """List of the patterns."""

    name: str = setting("patterns_list.txt", "file name")
    folder: str = setting("patterns_archive", "key of the folder in IO.folders")
    options: PatternOptions = section(PatternOptions)


class SimulatePatternsStorage(Storage):
    """Folders and files."""

    default_folders: ClassVar[Mapping[str, Any]] = {
        "data": {"base": "data/fxs/"},
        "in_base": {"data": "input_files/"},
        "patterns": {"data": "patterns/"},
        "patterns_archive": {"patterns": "archive/{dimensions}d_{structure_name}/{date}/run_{run}/"},
    }

    class Files(Section):
        """Files."""

        patterns: PatternEntry = section(PatternEntry)
        folder_symlink: Entry = entry("{dimensions}d_{structure_name}", "patterns")
        list_symlink: Entry = entry("{dimensions}d_{structure_name}.txt", "patterns")
        binary_mask: Entry = entry("mask.raw", "in_base")

    files: Files = section(Files)


class SimulatePatterns(Section):
    """Simulate scattering patterns of particles in random orientations."""

    derived: ClassVar[tuple[str, ...]] = ("shapes.centers",)
    """Keys whose default follows another key."""

    settings_version: SettingsVersion = settings_version()
    dimensions: Dimensions = setting(3, "3: particles turned in space; 2: objects of the plane across the beam, turned about it")
    structure_name: StructureName = structure_name()
    seed: Index = setting(0, "seed of orientations and noise; pattern n of a seed is always the same")
    n_patterns: Count = setting(1000, "number of patterns")
    object: Literal["shapes", "density", "structure"] = setting("shapes", "what scatters: shapes, density_file, or structure_file")
    shapes: Shapes = section(Shapes)
    density_file: str = setting(
        "", "density, counted from the working directory: .mrc, .map, .ccp4, .npz, .vts, or .h5 of this package; in 2D .npz, .vts, .h5"
    )
    structure_file: str = setting("", "atoms, counted from the working directory: .pdb, .ent, .cif, .mmcif")
    b_factor: NotNegative = setting(0.0, "B factor of all atoms of structure_file", "A^2")
    keep_waters: bool = setting(False, "also the waters of structure_file")
    image_dimensions: tuple[Count, Count] = setting((512, 512), "rows and columns of an image")
    pixel_size: Positive = setting(200.0, "size of a pixel", "micron")
    sample_distance: Positive = setting(800.0, "detector to sample", "mm")
    wavelength: Positive = setting(1.23984, "X-ray wavelength", "A")
    detector_origin: tuple[FiniteReal, FiniteReal] = setting((255.2, 255.5), "where the beam hits, along rows and columns", "pixel")
    beam_stop_radius: NotNegative = setting(0.0, "pixels nearer to the beam see nothing", "pixel")
    gaps: tuple[Rectangle, ...] = setting((), "[[first row, stop, first column, stop], ..]: pixels that see nothing")
    use_binary_mask: bool = setting(False, "pixels where IO.files.binary_mask is 0 see nothing")
    n_particles: Positive = setting(1.0, "particles in a pattern")
    particle_spread: Literal["fixed", "poisson"] = setting("fixed", "n_particles in each pattern, or a Poisson number with that mean")
    interference: bool = setting(False, "the waves of the particles of a pattern add up, instead of their intensities")
    focus: Positive = setting(10000.0, "particles lie within a Gaussian focus of this sigma, for interference", "A")
    photons_per_particle: Positive | No = setting(
        1e5, "mean number of photons that a particle scatters onto the pixels; False: as many as fluence makes"
    )
    fluence: Positive | No = setting(False, "photons on the sample, for densities in electrons / A^3 (2D: / A^2)", "1/micron^2")
    pulse_energy_spread: NotNegative = setting(0.0, "relative standard deviation of the energy of the pulses")
    polarization: No | Literal["h", "v"] = setting(False, "polarisation of the beam: h along the columns' axis, v along the rows'")
    background_photons: NotNegative = setting(0.0, "mean number of photons in each pixel that come from elsewhere")
    poisson_noise: bool = setting(True, "photons are counted; False writes expected values")
    truth: Truth = section(Truth)
    n_processes: bool | Count = setting(True, "threads of one rank, never more than its cores; True or False = all of them")
    IO: SimulatePatternsStorage = section(SimulatePatternsStorage)

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """The default centres follow the dimensions."""
        return with_default(tree, "shapes.centers", PLANE_CENTERS) if tree.get("dimensions") == 2 else tree

    @model_validator(mode="after")
    def _consistent(self) -> "SimulatePatterns":
        if bool(self.photons_per_particle) == bool(self.fluence):
            raise ValueError("photons_per_particle, fluence: give one of them and set the other to False")
        for name in ("density", "structure"):
            if self.object == name and not getattr(self, f"{name}_file"):
                raise ValueError(f"object: {name} needs {name}_file")
        if self.object == "structure" and self.dimensions == 2:
            raise ValueError("object: structure is one in space; use dimensions: 3, or a density_file of its projection")
        if self.particle_spread == "fixed" and self.n_particles != round(self.n_particles):
            raise ValueError(f"n_particles: {self.n_particles:g} is no whole number; use particle_spread: poisson")
        if not self.poisson_noise and self.IO.files.patterns.options.format == "hdf5":
            raise ValueError("IO.files.patterns.options.format: hdf5 holds counts; expected values (poisson_noise: False) need raw")
        for center in self.shapes.centers if self.object == "shapes" else ():
            if len(center) != self.dimensions:
                raise ValueError(f"shapes.centers: {center} has {len(center)} coordinates, {self.dimensions} are wanted")
        return self
