"""Settings of `extract`: from cross-correlations, shapes or a density to rotational invariants and projection matrices."""

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import model_validator

from fxs_hpc.config.common import Dimensions, FourierTransform, SettingsVersion, dimensions, settings_version
from fxs_hpc.config.extract_storage import ExtractStorage
from fxs_hpc.config.fields import Count, Fraction, Index, No, NotNegative, Positive, Section, respelled, section, setting
from fxs_hpc.config.simulate_ccd import PLANE_CENTERS, Grid, Shapes
from fxs_hpc.config.storage import StructureName, structure_name
from fxs_hpc.config.trees import with_default

Method = Annotated[
    Literal[
        "back_substitution", "lstsq", "legendre", "back_substitution_psd", "back_substitution_qqsym", "back_substitution_memory_hungry"
    ],
    respelled({"legendre_approx": "legendre", "inverse": "lstsq"}),
]
DataSet = Literal["I1I1", "I2I1", "I2I2"]
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


class PixelFlat(Section):
    """Mask of the pairs nearer than a pixel in the plane of a flat detector."""

    pixel_size: Positive = setting(2000.0, "period that a pixel spans: |q1 - q2 e^(i Delta)| < 2 pi / pixel_size is masked", "A")
    mask_at_pi: bool = setting(False, "mask the opposite point too")


class DirectMask(Section):
    """Mask from a file."""

    path: str = setting(
        "",
        "file of a boolean array, True where C is valid, with the shape of C or one that numpy stretches to it: .npy, .npz (field mask) or"
        " .h5 (field mask, or cross_correlation_mask/<data set>); relative to the working directory",
    )


class CcMask(Section):
    """Which values of C are left out."""

    type: Annotated[Literal["none", "pixel_arc", "pixel_custom", "pixel_flat", "direct"], respelled({"custom": "pixel_custom"})] = setting(
        "none", "kind of mask; values that were never measured (NaN) are always left out"
    )
    pixel_arc: PixelArc = section(PixelArc)
    pixel_custom: PixelCustom = section(PixelCustom)
    pixel_flat: PixelFlat = section(PixelFlat)
    direct: DirectMask = section(DirectMask)

    @model_validator(mode="after")
    def _path_given(self) -> Self:
        if self.type == "direct" and not self.direct.path:
            raise ValueError("type direct needs direct.path, the file of the mask")
        return self


class ModifyCc(Section):
    """What is done to C before the invariants are solved for."""

    pi_periodicity: bool = setting(False, "C(Delta + pi) = C(Delta): replace one half by the other")
    q1q2_symmetric: bool = setting(False, "average C(q1, q2, Delta) with C(q2, q1, -Delta)")
    subtract_average_intensity: bool = setting(
        True,
        "subtract <I>(q1) <I>(q2) before and put B_0 back after; of squared intensities only where the file has average_squared_intensity",
    )


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

    bl_extraction_method: Method = setting(
        "back_substitution",
        "solver; in 2D, where C is the Fourier series of the B_n, lstsq leaves masked angles out and the others interpolate them",
    )
    assume_zero_odd_orders: bool = setting(True, "only even orders are solved for; odd ones are zero for a real density")
    cc_mask: CcMask = section(CcMask)
    modify_cc: ModifyCc = section(ModifyCc)
    bl_enforce_psd: bool = setting(False, "replace each B_l by the nearest positive semi-definite matrix")
    bl_q_limits: QLimits = section(QLimits)
    masked_values_to_zero: bool = setting(
        False, "masked values count as zero (after the mean is subtracted); False: they are interpolated along Delta, or left out by lstsq"
    )


class DataSets(Section):
    """One section per data set."""

    I1I1: DataSetSettings = section(DataSetSettings)
    I2I1: DataSetSettings = setting(DataSetSettings(), "I^2 at q1 with I at q2; keys as I1I1")
    I2I2: DataSetSettings = setting(DataSetSettings(), "I^2 with I^2; keys as I1I1")

    @model_validator(mode="after")
    def _mixed(self) -> Self:
        """B^(21) is no square: B(q1, q2) is not the conjugate of B(q2, q1)."""
        mixed = self.I2I1
        for name, given in (
            ("modify_cc.q1q2_symmetric", mixed.modify_cc.q1q2_symmetric),
            ("bl_enforce_psd", mixed.bl_enforce_psd),
            ("bl_extraction_method", mixed.bl_extraction_method in ("back_substitution_psd", "back_substitution_qqsym")),
        ):
            if given:
                raise ValueError(f"I2I1.{name}: the invariants of I2I1 are not symmetric in q1 and q2; leave it at its default there")
        return self


class CrossCorrelation(Section):
    """Solving for the invariants."""

    assume_poisson_noise: bool = setting(
        False,
        "C of I1I1 counts pairs of photons: lstsq weighs every angle by the inverse of the C expected there, and solves for orders up to"
        " max_order only",
    )
    datasets_to_process: tuple[DataSet, ...] = setting(
        ("I1I1",), "correlations to process; I2I1 and I2I2 (of the squared intensity, both or none) tell the squared intensity too"
    )
    datasets: DataSets = section(DataSets)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        asked = set(self.datasets_to_process)
        if asked not in ({"I1I1"}, {"I1I1", "I2I1", "I2I2"}):
            raise ValueError("datasets_to_process: allowed is [I1I1] or [I1I1, I2I1, I2I2]: the transform between both needs all three")
        if self.assume_poisson_noise and self.datasets.I1I1.bl_extraction_method != "lstsq":
            raise ValueError("assume_poisson_noise weighs the angles of C: use it with datasets.I1I1.bl_extraction_method: lstsq")
        return self


class Optimize(Section):
    """Positivity optimisation of the projection matrices."""

    use: bool = setting(
        False,
        "turn each V_l such that the intensity it stands for is as positive as possible; V_l V_l^T stays the same, so that it matters"
        " only where V_l is used as it is: low-resolution guess, auto_correlation support, intensity_guess.vts. In 2D each v_n gets"
        " a phase",
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

    enforce_unitarity: bool = setting(False, "the nearest unitary matrix is taken of what direct finds; procrustes is unitary anyway")


class ModelFourierTransform(FourierTransform):
    """Radial (Hankel) transform of the shapes."""

    reciprocity_coefficient: Positive = setting(math.pi, "x in R q_max = x N (radius of the grid, largest q, number of radial points)")


class DensityFile(Section):
    """A density, for extraction_mode: density."""

    path: str = setting(
        "",
        "file of the density, relative to the working directory. 3D: .mrc, .map, .ccp4, .npz, .vts, .h5 (ccd.h5, data.h5,"
        " average_results.h5); 2D: .npz, .vts, .h5",
    )


class Extract(Section):
    """Extract rotational invariants from cross-correlations."""

    derived: ClassVar[tuple[str, ...]] = ("shapes.centers",)
    """Keys whose default follows another key."""

    settings_version: SettingsVersion = settings_version()
    dimensions: Dimensions = dimensions()
    structure_name: StructureName = structure_name("tutorial")
    max_order: Index = setting(69, "largest harmonic order; limited to half the number of angles, or to grid.max_order")
    bl_eig_sort_mode: Literal["eigenvalues", "median_of_scaled_eigenvector"] = setting("eigenvalues", "order of the eigenvectors of B_l")
    optimize_projection_matrices: Optimize = section(Optimize)
    low_resolution_intensity_approximation: LowResolution = section(LowResolution)
    I2I1_unknown_tranrform_extraction_method: Literal["procrustes", "direct"] = setting(
        "procrustes", "W_l, (I^2)_l = V_l^(2) W_l U_l: the best unitary matrix, or the best of all matrices"
    )
    unitary_transform: UnitaryTransform = section(UnitaryTransform)
    extraction_mode: Literal["cross_correlation", "shapes", "density"] = setting("cross_correlation", "where the invariants come from")
    cross_correlation: CrossCorrelation = section(CrossCorrelation)
    seed: Index = setting(0, "seed of the random rotations; for extraction_mode: shapes")
    grid: Grid = section(Grid)
    fourier_transform: ModelFourierTransform = section(ModelFourierTransform)
    shapes: Shapes = section(Shapes)
    shape_size: Positive | No = setting(False, "diameter of the particle, used with oversampling; False = from the object", "A")
    density: DensityFile = section(DensityFile)
    n_particles: Count = setting(1, "number of particles per pattern that the invariants of shapes or a density stand for")
    xray_wavelength: Positive = setting(1.23984, "stored with the invariants of shapes or a density", "A")
    IO: ExtractStorage = section(ExtractStorage)

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """The default centres follow the dimensions."""
        plane = tree.get("dimensions") == 2 and tree.get("extraction_mode") == "shapes"
        return with_default(tree, "shapes.centers", PLANE_CENTERS) if plane else tree

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.extraction_mode == "density" and not self.density.path:
            raise ValueError("extraction_mode density needs density.path, the file of the density")
        if self.extraction_mode != "cross_correlation" and self.n_particles > 1 and len(self.cross_correlation.datasets_to_process) > 1:
            raise ValueError("n_particles: the squared intensity of several particles is not the sum of theirs; use 1 with I2I1 and I2I2")
        if self.dimensions == 2:
            for name in self.cross_correlation.datasets_to_process:
                if getattr(self.cross_correlation.datasets, name).bl_extraction_method == "legendre":
                    raise ValueError(f"cross_correlation.datasets.{name}.bl_extraction_method: legendre does not exist in 2D; use another")
        if self.extraction_mode == "shapes":
            for center in self.shapes.centers:
                if len(center) != self.dimensions:
                    raise ValueError(f"shapes.centers: {center} has {len(center)} coordinates, dimensions is {self.dimensions}")
        return self
