"""Settings of `correlate`: angular cross-correlations of scattering patterns."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from fxs_hpc.config.common import Dimensions, SettingsVersion, settings_version
from fxs_hpc.config.fields import Count, FiniteReal, Index, No, NotNegative, Positive, Real, Section, section, setting
from fxs_hpc.config.simulate_ccd import entry
from fxs_hpc.config.storage import Entry, Options, Storage, StructureName, structure_name
from fxs_hpc.config.trees import with_default

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "reference": {
        "masks.edges": "rounded",
        "masks.nan_pixels": "zero",
        "masks.normalisation": "each_pattern",
        "masks.unmeasured_q": "nan",
    },
}
"""What a preset changes in the defaults: dotted key -> value. Keys that the file sets are left alone."""

Output = Literal["is_good", "waxs", "waxs_aver", "xcca", "ccf_q1q2", "ccf_q1q2_fc", "mean_roi"]
SplineOrder = Annotated[Index, Field(le=5)]
Span = tuple[NotNegative, NotNegative, Count]


class Masks(Section):
    """How pixels that are left out are dealt with."""

    edges: Literal["exact", "rounded"] = setting(
        "exact",
        "exact: a point counts if all pixels it is interpolated from do; rounded: if the interpolated mask is nearer to 1 than to 0, and "
        "what leaks over the border is correlated too, as in the reference program",
    )
    nan_pixels: Literal["masked", "zero"] = setting(
        "masked", "NaN pixels (and those that a CBF or HDF5 frame marks as bad) are masked, or count as 0"
    )
    normalisation: Literal["all_patterns", "each_pattern"] = setting(
        "all_patterns",
        "all_patterns: sum of the products over all patterns / number of valid pairs of points over all patterns; each_pattern: mean over "
        "the patterns of that ratio. The same where all have the same mask; else each_pattern is noisier and ten times slower",
    )
    unmeasured_q: Literal["left_out", "nan"] = setting(
        "left_out", "radial points without any valid pixel are left out of the result, or NaN"
    )


class Frames(Section):
    """Patterns in files other than raw float32."""

    dataset: str = setting("", "HDF5 path of the images; empty = found out")
    adu_per_photon: Positive = setting(1.0, "divides the values; photons are rounded to integers")


class Profile(Section):
    """Profiling."""

    use: bool = setting(False, "write profile.pstats (see python -m pstats) of one rank, which then works with one thread")
    process_id: Index = setting(1, "rank that is measured; the last one, where there are fewer")


class CorrelateOptions(Options):
    """What is written beside the correlations."""

    save_symlink: bool = setting(True, "let the symlink point to this result")
    save_settings: bool = setting(True, "kept for existing files: settings.yaml is always written, --resume needs it")
    save_pictures: bool = setting(True, "PNG of the mean pattern, the mask, the mean polar pattern and the correlation")


class CorrelateEntry(Entry):
    """File of the cross-correlations."""

    name: str = setting("ccd.h5", "file name")
    folder: str = setting("ccd_archive", "key of the folder in IO.folders")
    options: CorrelateOptions = section(CorrelateOptions)


class CorrelateStorage(Storage):
    """Folders and files."""

    default_folders: ClassVar[Mapping[str, Any]] = {
        "data": {"base": "data/fxs/"},
        "in_base": {"data": "input_files/"},
        "ccd": {"data": "ccd/"},
        "ccd_archive": {"ccd": "archive/{dimensions}d_{structure_name}/{date}/run_{run}/"},
    }

    class Files(Section):
        """Files."""

        input_file_list: Entry = entry("patterns_list.txt", "in_base")
        binary_mask: Entry = entry("mask.raw", "in_base")
        background: Entry = entry("background.raw", "in_base")
        ccd: CorrelateEntry = section(CorrelateEntry)
        ccd_symlink: Entry = entry("{dimensions}d_{structure_name}.h5", "ccd")

    files: Files = section(Files)


class Correlate(Section):
    """Correlate scattering patterns."""

    alternates: ClassVar[Mapping[str, str]] = {"background_subtraction": "subtract_background"}

    settings_version: SettingsVersion = settings_version()
    preset: Literal["default", "reference"] = setting(
        "default", "reference: masks are dealt with as in the reference program, wrong at their borders; keys that are set win"
    )
    dimensions: Dimensions = setting(3, "in the names of folders and links alone: the correlation of patterns serves 2D and 3D")
    structure_name: StructureName = structure_name()
    image_dimensions: tuple[Count, Count] = setting((512, 512), "rows and columns of an image (raw files do not say)")
    n_processes: bool | Count = setting(True, "threads of one rank, never more than its cores; True or False = all of them")
    split_mode: Literal["sequential", "modulus"] = setting("sequential", "MPI ranks take consecutive patterns, or every n-th")
    batch_size: Index | No = setting(32, "patterns that are added at a time; 0 or False = all of a rank in one batch, if memory bears it")
    max_n_patterns: Count = setting(12288, "largest number of patterns, the first of the list")
    n_particles: NotNegative = setting(0.0, "mean number of particles per pattern, stored for the next commands; 0 = not known")
    compute: tuple[Output, ...] = setting(
        ("is_good", "waxs_aver", "ccf_q1q2"),
        "what is stored: waxs_aver mean intensity, ccf_q1q2 (or xcca) C(q1, q2, Delta), ccf_q1q2_fc its Fourier coefficients; and of each "
        "pattern is_good, mean_roi, waxs (mean of every ring)",
    )
    intensity_pixel_threshold: tuple[bool, Real, Real] = setting((False, 4.0, 1e4), "[use, lowest, highest]: pixels outside are masked")
    intensity_radial_pixel_filter: tuple[bool, tuple[Literal["average_sigma", "median_mad"], Positive]] = setting(
        (False, ("average_sigma", 3.0)),
        "[use, [method, k]]: points farther than k sigma from the mean of their ring (median_mad: from its median) are masked",
    )
    use_binary_mask: bool = setting(False, "leave out the pixels where IO.files.binary_mask is 0")
    subtract_background: bool = setting(False, "subtract the image IO.files.background from every pattern")
    subtract_photon_noise: bool = setting(
        False, "values are photons: subtract what each adds to the correlation with itself, where points share a pixel"
    )
    ROI_normalization: tuple[bool, NotNegative, NotNegative] = setting(
        (False, 0.3, 0.9), "[use, q1, q2]: divide a pattern by its mean between q1 and q2", "1/A"
    )
    ROI_mean_filter: tuple[bool, Real, Real] = setting(
        (False, 1e2, 1e4), "[use, lowest, highest]: reject patterns whose mean between q1 and q2 of ROI_normalization lies outside"
    )
    pixel_size: Positive = setting(200.0, "size of a pixel", "micron")
    sample_distance: Positive = setting(620.0, "detector to sample", "mm")
    wavelength: Positive = setting(1.23984, "X-ray wavelength", "A")
    detector_origin: tuple[FiniteReal, FiniteReal] = setting((255.2, 255.5), "where the beam hits, along rows and columns", "pixel")
    polarization_correction: tuple[bool, Literal["h", "v"]] = setting(
        (False, "h"), "[use, direction]: undo the polarisation, h along the columns' axis (axis 1), v along the rows' (axis 0)"
    )
    solid_angle_correction: bool = setting(False, "undo that outer pixels see a smaller solid angle: 1 / cos^3 2theta")
    interpolation_order: SplineOrder = setting(2, "order of the spline between pixels")
    qrange: No | tuple[NotNegative, Positive, Positive] = setting(
        False, "[first, last, step] of the radial points; False = a pixel apart, to the edge of the detector", "1/A"
    )
    qrange_xcca: No | tuple[Span, Span] = setting(
        False, "[[q1 first, last, n], [q2 first, last, n]]: correlate every n-th radial point between first and last; False = all", "1/A"
    )
    phi_range: tuple[FiniteReal, FiniteReal, Count, Literal["exact", "max", "min"]] = setting(
        (0.0, 6.283185307179586, 1536, "exact"),
        "(start, stop, number, mode) of the angles; max: fewer where the outermost ring has fewer pixels, min: more where it has more",
        "rad",
    )
    fc_n_max: Count = setting(15, "number of orders kept by ccf_q1q2_fc")
    ccf_2p_symmetrize: bool = setting(False, "C outside of pi/2 .. 3 pi/2 is replaced by that inside, shifted by pi")
    masks: Masks = section(Masks)
    frames: Frames = section(Frames)
    profile: Profile = section(Profile)
    IO: CorrelateStorage = section(CorrelateStorage)

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Fill the defaults that depend on `preset`; `qrange` starts at 0 as an integer in files of the reference program."""
        preset = tree.get("preset", "default")
        for key, value in PRESETS.get(preset, {}).items() if isinstance(preset, str) else ():
            tree = with_default(tree, key, value)
        return tree

    @model_validator(mode="after")
    def _consistent(self) -> "Correlate":
        for name, (low, high) in {
            "intensity_pixel_threshold": self.intensity_pixel_threshold[1:],
            "ROI_normalization": self.ROI_normalization[1:],
            "ROI_mean_filter": self.ROI_mean_filter[1:],
        }.items():
            if not low < high:
                raise ValueError(f"{name}: the lower limit {low:g} is not below the upper one {high:g}")
        if self.subtract_photon_noise and self.masks.normalisation != "all_patterns":
            raise ValueError("subtract_photon_noise: only with masks.normalisation: all_patterns")
        if self.qrange and not self.qrange[0] < self.qrange[1]:
            raise ValueError(f"qrange: the first q {self.qrange[0]:g} is not below the last {self.qrange[1]:g}")
        return self

    @property
    def correlates(self) -> bool:
        """Whether correlations are wanted at all."""
        return bool({"xcca", "ccf_q1q2", "ccf_q1q2_fc"} & set(self.compute))
