"""What the phasing loop asks of an engine, and the plain values they exchange. A second implementation runs on OpenCL devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

Precision = Literal["single", "double"]
Angles = TypeVar("Angles", AngularGrid, CircleGrid)


@dataclass(frozen=True)
class Grids(Generic[Angles]):
    """Grids of a reconstruction.

    Parameters
    ----------
    radial, angular : the grids; on the sphere n_theta must be a multiple of 4 and n_phi even, in the plane `radial.dimensions` is 2.
    amplitude_order : angular band limit L of density and amplitude.
    complex_density : whether the density has an imaginary part (twice the work).
    """

    radial: RadialGrid
    angular: Angles
    amplitude_order: int
    complex_density: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a density as files hold it: (N, n_theta, n_phi), in the plane (N, n_phi)."""
        return self.radial.n_points, *self.angular.shape


class Geometry(Grids[AngularGrid]):
    """Grids of a reconstruction in space."""


class PlaneGeometry(Grids[CircleGrid]):
    """Grids of a reconstruction in the plane."""


@dataclass(frozen=True)
class Constraints:
    """Everything that is fixed during a reconstruction.

    Parameters
    ----------
    reciprocal : what the data say about the intensity.
    keep_unknown_orders : apply only the change of the projected orders, so that intensity orders above the data pass; otherwise the
        intensity is cut at the amplitude's band limit.
    lower, upper : bounds of the real part of the density (lower <= 0 <= upper).
    largest_imag : imaginary parts of at least this are set to 0.
    use_support : whether the density must vanish outside the support.
    error_radial_weights : (N,) weights of the radial integral in the error; in the plane also (N, n_phi), of every voxel.
    stabilised_from : first shell whose density is corrected for the inexact transform pair (0; the reference program starts at 1).
    r_max_convention : 'exact' or 'reference', see `harmonics.hankel.hankel_matrices`.
    averaged_shells : innermost shells whose projection is their mean over the angles ('average_center'); applied last.
    error_inside_initial_support : errors are integrated over the initial support, or over everything.
    """

    reciprocal: ReciprocalConstraint
    keep_unknown_orders: bool = True
    lower: float = -np.inf
    upper: float = np.inf
    largest_imag: float = np.inf
    use_support: bool = True
    error_radial_weights: NDArray[np.float64] | None = None
    stabilised_from: int = 0
    r_max_convention: str = "exact"
    averaged_shells: int = 0
    error_inside_initial_support: bool = True


@dataclass(frozen=True)
class Update:
    """One step of the loop.

    Parameters
    ----------
    method : 'ER', 'HIO' or 'RAAR'.
    beta : feedback (HIO) or relaxation (RAAR) parameter.
    feedback : constraints whose violation takes part in HIO's feedback: 'support', 'value_threshold', 'limit_imag', 'average_center'.
    stabilised : add what the inexact transform pair loses of the density.
    frozen : impose the intensity kept by `Engine.freeze` instead of the one that the invariants give; shells beyond
        `Engine.limit_resolution` stay free.
    """

    method: Literal["ER", "HIO", "RAAR"]
    beta: float = 0.0
    feedback: frozenset[str] = frozenset({"support", "value_threshold", "limit_imag", "average_center"})
    stabilised: bool = True
    frozen: bool = False


@dataclass(frozen=True)
class Volume:
    """A shrink-wrap that looks for the level at which the new support has a given volume.

    Parameters
    ----------
    fraction : volume of the new support relative to that of the initial support. `engine.support_volume.level_of_volume` finds the
        level from the blurred |rho| of the voxels that may become support (those of the initial support, or all).
    """

    fraction: float


@dataclass(frozen=True)
class Snapshot:
    """State from which an engine continues bit by bit: density and support in the engine's layout, and its bookkeeping.

    frozen : the intensity kept by `Engine.freeze`, in the engine's layout, or None; in the first (last) of an engine's snapshots only.
        The factor of `Engine.scale_average` and the limit of the resolution are the loop's to restore.
    """

    density: NDArray
    support: NDArray[np.uint8]
    filled_shells: int
    frozen: NDArray | None = None


@dataclass(frozen=True)
class Projected:
    """A density seen through the reciprocal constraint.

    Parameters
    ----------
    amplitude : complex, shaped as a density, after the modulus constraint.
    unknowns : per projected order the matrix U_l (n_l, 2l+1) found, in the basis (I_l0, sqrt2 Re I_lm, sqrt2 Im I_lm); in the plane
        the phase factor u_n (1, 1), complex.
    invariants : (L+1, N, N) B_l of the density's own intensity; complex B_n in the plane.
    """

    amplitude: NDArray[np.complexfloating]
    unknowns: dict[int, NDArray]
    invariants: NDArray


@dataclass(frozen=True)
class IntensityPair:
    """Intensity of the last step's amplitude, and what the invariants made of it.

    Parameters
    ----------
    found, imposed : coefficients [m, l, re/im, q] (L+1, L+1, 2, N), m >= 0, of |F|^2 before and after the projection; in the plane
        I_m (L+1, N) complex, m >= 0. L is at least the highest order that is projected; orders and shells that the data do not
        touch are the same in both (or 0 in `imposed` where they are cut).
    """

    found: NDArray
    imposed: NDArray


class Engine(Protocol):
    """Holds one density and its support (on whatever device) and carries out the steps of the phasing loop.

    Densities and supports are passed in the shape of the geometry.
    """

    def load(self, density: NDArray, support: NDArray[np.bool_], initial_support: NDArray[np.bool_]) -> None:
        """Start from a density, a support and the region over which errors are integrated."""

    def replace(self, density: NDArray) -> None:
        """Go on with another density; supports, the best density, and what is frozen or limited stay."""

    def step(self, update: Update) -> float:
        """One Fourier and real-space projection; returns int |rho' - P rho'|^2 / int |rho'|^2 over the initial support."""

    def shrink_wrap(self, transfer: NDArray[np.float64], cut: float | Volume, inside_initial_support: bool) -> None:
        """New support: where |rho| low-passed by transfer(q) reaches `cut` (0..1) of its range, or its largest voxels up to a volume."""

    def limit_resolution(self, fraction: float) -> None:
        """From now on the data count only at q <= fraction * q_max; amplitudes beyond are left free."""

    def band_limit(self) -> None:
        """Replace the density by IFT(FT(density)), what the grid can represent."""

    def freeze(self) -> None:
        """Keep |A'|^2 of the present density, what the invariants make of its intensity: steps with `Update.frozen` impose it.

        It depends on the density alone: the step that follows is the same frozen or not, but for rounding.
        """

    def scale_average(self, factor: float) -> None:
        """From now on the order 0 imposed is `factor` times that of the constraints (another number of particles)."""

    def intensity(self) -> IntensityPair:
        """The last step's intensity before and after the projection, for error metrics that are rarely asked for.

        In a frozen step `imposed` is the frozen intensity.
        """

    def reciprocal_errors(self) -> dict[str, float]:
        """Errors of the last step's amplitude against the invariants: 'l2_projection_diff', 'deg2_invariant_l2_diff'."""

    def support_fraction(self) -> float:
        """Volume of the support relative to that of the initial support."""

    def remember(self) -> None:
        """Keep the present density and support as the best so far."""

    def recall(self) -> None:
        """Go back to the best density and support."""

    def density(self, which: Literal["last", "best"] = "last") -> NDArray:
        """Density, real or complex."""

    def support(self, which: Literal["last", "best"] = "last") -> NDArray[np.bool_]:
        """Support."""

    def project(self, which: Literal["last", "best"] = "last") -> Projected:
        """The density's amplitude after the modulus constraint, the matrices U_l found, and its invariants."""

    def snapshots(self) -> Sequence[Snapshot]:
        """(last, best) for a checkpoint."""

    def restore(self, snapshots: Sequence[Snapshot], initial_support: NDArray[np.bool_]) -> None:
        """Continue from `snapshots`."""
