"""Settings of `extract`: from cross-correlations to rotational invariants and projection matrices."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import model_validator

from fxs_hpc.config.common import Dimensions, SettingsVersion, dimensions, settings_version
from fxs_hpc.config.fields import Count, Fraction, Index, NotNegative, Positive, Section, respelled, section, setting
from fxs_hpc.config.simulate_ccd import entry, weights_entry
from fxs_hpc.config.storage import Entry, Options, Storage, StructureName, structure_name

Method = Annotated[
    Literal[
        "back_substitution", "lstsq", "legendre", "back_substitution_psd", "back_substitution_qqsym", "back_substitution_memory_hungry"
    ],
    respelled({"legendre_approx": "legendre"}),
]
DataSet = Literal["I1I1", "I2I1", "I2I2"]
UNUSED = "no command makes correlations of squared intensities"
QPoint = tuple[NotNegative, NotNegative]


class PixelArc(Section):
    """Mask of the pairs nearer than a pixel on the Ewald sphere."""

    pixel_size: Positive = setting(2000.0, "period that a pixel spans", "A")
    mask_at_pi: bool = setting(False, "mask the opposite point too")


class PixelCustom(Section):
    """Mask of the angles next to 0 for neighbouring q."""

    n_masked_pixels_phi: Fraction = setting(0.01, "fraction of the angles")
    n_masked_pixels_q: Fraction = setting(0.01, "fraction of the radial points")
    mask_at_pi: bool = setting(False, "mask the angles around pi too")


class CcMask(Section):
    """Which values of C are left out."""

    type: Literal["none", "pixel_arc", "pixel_custom", "pixel_flat", "direct"] = setting(
        "none", "kind of mask", only=("none", "pixel_arc", "pixel_custom"), instead="take pixel_arc or pixel_custom"
    )
    pixel_arc: PixelArc = section(PixelArc)
    pixel_custom: PixelCustom = section(PixelCustom)


class ModifyCc(Section):
    """What is done to C before the invariants are solved for."""

    pi_periodicity: bool = setting(False, "C(Delta + pi) = C(Delta): replace one half by the other")
    q1q2_symmetric: bool = setting(False, "average C(q1, q2, Delta) with C(q2, q1, -Delta)")
    subtract_average_intensity: bool = setting(True, "subtract <I>(q1) <I>(q2) before and put B_0 back after")


class QLimit(Section):
    """Limit in q, per order."""

    type: Literal["none", "line"] = setting("none", "no limit, or a straight line in the (order, q) plane")
    line: tuple[QPoint, QPoint] = setting(((4.0, 0.004), (70.0, 0.34)), "two (order, q) points of the line", "1/A")

    @model_validator(mode="after")
    def _two_orders(self) -> "QLimit":
        (first, _), (second, _) = self.line
        if first == second:
            raise ValueError(f"line: both points have order {first:g}; give two different orders")
        return self


class QLimits(Section):
    """Which q are used per order."""

    min: QLimit = section(QLimit)
    max: QLimit = section(QLimit)


class DataSetSettings(Section):
    """How the invariants of one data set are solved for."""

    bl_extraction_method: Method = setting("back_substitution", "solver")
    assume_zero_odd_orders: bool = setting(True, "only even orders are solved for; odd ones are zero for a real density")
    cc_mask: CcMask = section(CcMask)
    modify_cc: ModifyCc = section(ModifyCc)
    bl_enforce_psd: bool = setting(False, "replace each B_l by the nearest positive semi-definite matrix")
    bl_q_limits: QLimits = section(QLimits)
    masked_values_to_zero: bool = setting(False, "", only=(False,), instead="masked values are interpolated along Delta")


class DataSets(Section):
    """One section per data set."""

    I1I1: DataSetSettings = section(DataSetSettings)
    I2I1: DataSetSettings = setting(DataSetSettings(), "keys as I1I1", only=(DataSetSettings(),), instead=UNUSED)
    I2I2: DataSetSettings = setting(DataSetSettings(), "keys as I1I1", only=(DataSetSettings(),), instead=UNUSED)


class CrossCorrelation(Section):
    """Solving for the invariants."""

    assume_poisson_noise: bool = setting(False, "", only=(False,), instead="no noise model exists yet")
    datasets_to_process: tuple[DataSet, ...] = setting(("I1I1",), "correlations to process", only=("I1I1",), instead=UNUSED)
    datasets: DataSets = section(DataSets)


class Optimize(Section):
    """Positivity optimisation of the projection matrices."""

    use: bool = setting(
        False,
        "turn each V_l such that the intensity it stands for is as positive as possible; V_l V_l^T stays the same, so that it matters"
        " only where V_l is used as it is: low-resolution guess, auto_correlation support, intensity_guess.vts",
    )
    n_iterations: Count = setting(1000, "largest number of iterations, for each pair of orders that comes in")
    error_change_limit: Positive = setting(1e-5, "relative change of the intensity at which the iteration stops, looked at every 10th")


class LowResolution(Section):
    """Low orders of the projection matrices, stored beside them as data_low_resolution_intensity_coefficients."""

    max_order: Index = setting(20, "largest order of the copy")
    n_iterations: Count = setting(
        1000, "as optimize_projection_matrices.n_iterations, for the copy; only with optimize_projection_matrices.use"
    )
    error_change_limit: Positive = setting(
        1e-5, "as optimize_projection_matrices.error_change_limit, for the copy; only with optimize_projection_matrices.use"
    )


class UnitaryTransform(Section):
    """Unknown transform between data sets."""

    enforce_unitarity: bool = setting(False, "", only=(False,), instead="only I1I1 is processed")


class CcdInputOptions(Options):
    """How the correlations are read."""

    type: Literal["direct", "legacy"] = setting(
        "direct", "layout of the file", only=("direct",), instead="convert the file to the present field names"
    )


class CcdInput(Entry):
    """Input file of the cross-correlations."""

    name: str = setting("{dimensions}d_{structure_name}.h5", "file name; with and without the prefix '<dimensions>d_' are tried")
    folder: str = setting("ccd", "key of the folder in IO.folders")
    options: CcdInputOptions = section(CcdInputOptions)


class InvariantOptions(Options):
    """What is written beside the invariants."""

    create_symlink: bool = setting(True, "let the symlink point to this result")
    plot_first_invariants: bool = setting(True, "PNG of |B_l|, arg B_l and the mask")
    save_invariant: bool = setting(True, "store B_l in proj_data.h5")
    plot_first_ccn: bool = setting(False, "PNG of |C_n|")
    plot_first_invariants_from_proj_matrices: bool = setting(True, "PNG of V_l V_l^+")
    plot_first_projection_matrix_error_estimates: bool = setting(False, "PNG of the relative error of V_l V_l^+ per order and q")
    save_intensity_vtk: bool = setting(False, "intensity_guess.vts from V_l with U_l = 1")


class InvariantEntry(Entry):
    """File of the invariants."""

    name: str = setting("proj_data.h5", "file name")
    folder: str = setting("invariants_archive", "key of the folder in IO.folders")
    options: InvariantOptions = section(InvariantOptions)


class ExtractStorage(Storage):
    """Folders and files."""

    default_folders: ClassVar[Mapping[str, Any]] = {
        "data": {"base": "data/fxs/"},
        "ft_weights": {"data": "ft_weights/"},
        "ccd": {"data": "ccd/"},
        "invariants": {"data": "invariants/"},
        "invariants_archive": {"invariants": "archive/{dimensions}d_{structure_name}/{date}/run_{run}/"},
    }

    class Files(Section):
        """Files."""

        ccd: CcdInput = section(CcdInput)
        invariants: InvariantEntry = section(InvariantEntry)
        invariant_symlink: Entry = entry("{dimensions}d_{structure_name}.h5", "invariants")
        ft_weights: Entry = weights_entry()

    files: Files = section(Files)


class Extract(Section):
    """Extract rotational invariants from cross-correlations."""

    settings_version: SettingsVersion = settings_version()
    dimensions: Dimensions = dimensions()
    structure_name: StructureName = structure_name("tutorial")
    max_order: Index = setting(69, "largest harmonic order; limited to half the number of angles")
    bl_eig_sort_mode: Literal["eigenvalues", "median_of_scaled_eigenvector"] = setting("eigenvalues", "order of the eigenvectors of B_l")
    optimize_projection_matrices: Optimize = section(Optimize)
    low_resolution_intensity_approximation: LowResolution = section(LowResolution)
    I2I1_unknown_tranrform_extraction_method: Literal["procrustes", "direct"] = setting(
        "procrustes", "", only=("procrustes",), instead="only I1I1 is processed"
    )
    unitary_transform: UnitaryTransform = section(UnitaryTransform)
    extraction_mode: Literal["cross_correlation", "shapes", "density"] = setting(
        "cross_correlation",
        "where the invariants come from",
        only=("cross_correlation",),
        instead="run simulate_ccd and extract from its result",
    )
    cross_correlation: CrossCorrelation = section(CrossCorrelation)
    IO: ExtractStorage = section(ExtractStorage)
