"""What stays the same during a run, as arrays for the device: matrices, tables of products, masks, weights."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.fft import LANES
from fxs_hpc.engine.interface import Constraints, Geometry
from fxs_hpc.engine.layout import fold, padded, unfold
from fxs_hpc.engine.opencl.polar import PolarLayout
from fxs_hpc.engine.opencl.products import Launch, Places, Tiling, launch, limited
from fxs_hpc.engine.polar import PolarMatrices, Product, polar_matrices
from fxs_hpc.engine.procrustes import ProcrustesProjection
from fxs_hpc.engine.radial import RadialMatrices, radial_matrices
from fxs_hpc.harmonics.hankel import hankel_matrices

_PARITIES = (0, 1)


@dataclass(frozen=True)
class Sizes:
    """Numbers that each buffer holds for one member, by precision: those of the fields, of the sums, bytes, ..."""

    real: dict[str, int]
    bytes_: dict[str, int]
    acc: dict[str, int]

    def total(self, real: int, acc: int) -> int:
        """Bytes of one member."""
        return real * sum(self.real.values()) + acc * sum(self.acc.values()) + sum(self.bytes_.values())


class Layout:
    """`engine.opencl.board.Arrangement` in space: shapes of the buffers of a member; see `engine.azimuth` for fields and spectra."""

    sides = 2

    def __init__(self, geometry: Geometry, constraints: Constraints) -> None:
        self.order = geometry.amplitude_order
        self.intensity_order = constraints.reciprocal.max_order if constraints.keep_unknown_orders else self.order
        self.parts = 2 if geometry.complex_density else 1
        self.half, self.length = geometry.angular.n_theta // 2, geometry.angular.n_phi
        self.shells, self.stored = geometry.radial.n_points, padded(geometry.radial.n_points)
        self.polar = PolarLayout.of({l: v.shape[1] for l, v in constraints.reciprocal.projection_matrices.items()})
        spectrum = (self.parts, 2, self.half, self.order + 1, 2, self.stored)
        coefficients = (self.parts, self.order + 1, (self.order + 1) | 1, 2, self.stored)
        intensity = (self.parts, self.half, self.intensity_order + 1, 2, self.stored)
        intensity_coefficients = (self.intensity_order + 1, (self.intensity_order + 1) | 1, 2, self.stored)
        self.shapes: dict[str, tuple[int, ...]] = {
            "analysed": spectrum,
            "synthesised": spectrum,
            "density_coefficients": coefficients,
            "amplitude_coefficients": coefficients,
            "change_coefficients": coefficients,
            "intensity_analysed": intensity,
            "intensity_synthesised": intensity,
            "intensity": intensity_coefficients,
            "intensity_change": intensity_coefficients,
            "matrices": (max(self.polar.matrices, LANES),),
        }

    @property
    def voxels(self) -> int:
        """Grid points stored."""
        return 2 * self.half * self.length * self.stored

    def filled(self, shells: int) -> int:
        """See `Arrangement.filled`."""
        return min(padded(shells), self.stored)

    def folded(self, density: NDArray, real: np.dtype) -> NDArray:
        """See `Arrangement.folded`."""
        return np.stack([fold(part, real) for part in ([density.real, density.imag] if self.parts == 2 else [density.real])])

    def unfolded(self, field: NDArray) -> NDArray:
        """See `Arrangement.unfolded`."""
        parts = [unfold(part, self.shells) for part in field]
        return parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0]

    def folded_support(self, support: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """See `Arrangement.folded_support`."""
        return fold(support, np.uint8)

    def unfolded_support(self, field: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """See `Arrangement.unfolded_support`."""
        return unfold(field, self.shells).astype(bool)

    def density_from_snapshot(self, density: NDArray, real: np.dtype) -> NDArray:
        """See `Arrangement.density_from_snapshot`."""
        return density.astype(real, copy=False)

    def density_to_snapshot(self, field: NDArray) -> NDArray:
        """See `Arrangement.density_to_snapshot`."""
        return field

    def from_snapshot(self, array: NDArray, kind: np.dtype) -> NDArray:
        """See `Arrangement.from_snapshot`."""
        return array.astype(kind, copy=False)

    def to_snapshot(self, field: NDArray) -> NDArray:
        """See `Arrangement.to_snapshot`."""
        return field

    @property
    def sizes(self) -> Sizes:
        """What one member takes."""
        real = {name: int(np.prod(shape)) for name, shape in self.shapes.items()}
        real |= {"density": 2 * self.parts * self.voxels, "amplitude": self.parts * self.voxels, "rows": 2 * self.half * self.stored}
        return Sizes(
            real, {"support": 2 * self.voxels, "initial": self.voxels, "mask": self.voxels}, {"scratch": max(self.polar.scratch, 1)}
        )


class Matrices:
    """The matrix products of a step, and the constants they need."""

    def __init__(self, geometry: Geometry, constraints: Constraints, layout: Layout, dtype: np.dtype, tiling: Tiling) -> None:
        self._layout, self._tiling = layout, tiling
        self._places = Places(dtype)
        self._arrays = {name: self._places.stand_in(name, shape) for name, shape in layout.shapes.items()}
        self._arrays["frozen_coefficients"] = self._places.stand_in("frozen_coefficients", layout.shapes["intensity"])
        self._polar = self._pooled(polar_matrices(geometry.angular, layout.order, dtype))
        self._intensity_polar = self._pooled(polar_matrices(geometry.angular, layout.intensity_order, dtype))
        radial = [hankel_matrices(geometry.radial, layout.order, way, constraints.r_max_convention) for way in ("forward", "inverse")]
        self._forward, self._inverse = (self._aligned(radial_matrices(hankel, dtype)) for hankel in radial)
        self.projection = ProcrustesProjection(constraints.reciprocal, layout.stored, dtype)
        self._weighted = {o.l: self._places.constant(self._widened(o.l, o.width)) for o in layout.polar.orders}
        self._transposed = {l: self._places.constant(transposed) for l, (_, transposed, _) in self.projection.orders.items()}

    def _pooled(self, polar: PolarMatrices) -> PolarMatrices:
        groups = ([[self._places.constant(matrix) for matrix in of] for of in both] for both in (polar.synthesis, polar.analysis))
        synthesis, analysis = groups
        return replace(polar, synthesis=synthesis, analysis=analysis)

    def _aligned(self, radial: RadialMatrices) -> RadialMatrices:
        """Results begin at whole vectors."""
        first_out = [first // LANES * LANES for first in radial.first_out]
        return replace(radial, matrices=[self._places.constant(matrix) for matrix in radial.matrices], first_out=first_out)

    def _widened(self, l: int, width: int) -> NDArray:
        weighted = self.projection.orders[l][0]
        return np.pad(weighted, ((0, 0), (0, width - weighted.shape[1])))

    def constants(self) -> NDArray:
        """The pool that the tables refer to."""
        return self._places.constants()

    def factor_offset(self, l: int) -> int:
        """Where V_l^T begins in the constants."""
        return self._places.find(self._transposed[l])[1]

    def inner_columns(self, inner: int) -> NDArray:
        """[l, r, q]: inverse Hankel matrices for the first `inner` shells, transposed."""
        return np.stack([matrix[:, :inner].T for matrix in self._inverse.matrices])

    def _launch(self, products: list[Product]) -> Launch:
        return launch(products, self._places, self._tiling)

    def _parts(self, make) -> list[Product]:  # type: ignore[no-untyped-def]
        return [product for part in range(self._layout.parts) for product in make(part)]

    def analyse(self, target: str, shells: int) -> Launch:
        """Azimuthal spectra 'analysed' -> coefficients `target`, first `shells` shells."""
        a, coefficients = self._arrays["analysed"], self._arrays[target]
        products = self._parts(lambda part: self._polar.analyse(a[part], coefficients[part], _PARITIES))
        return self._launch(limited(products, self._layout.stored, shells))

    def synthesise(self, source: str, shells: int) -> Launch:
        """Coefficients `source` -> azimuthal spectra 'synthesised'."""
        coefficients, spectrum = self._arrays[source], self._arrays["synthesised"]
        products = self._parts(lambda part: self._polar.synthesise(coefficients[part], spectrum[part], _PARITIES))
        return self._launch(limited(products, self._layout.stored, shells))

    def to_amplitude(self, shells: int) -> Launch:
        """Fourier transform of the density's coefficients."""
        source, target = self._arrays["density_coefficients"][..., :shells], self._arrays["amplitude_coefficients"]
        return self._launch(self._parts(lambda part: self._forward.transform(source[part], target[part])))

    def to_density(self, shells: int) -> Launch:
        """Inverse Fourier transform of the changed amplitude's coefficients."""
        source, target = self._arrays["change_coefficients"], self._arrays["density_coefficients"][..., :shells]
        return self._launch(self._parts(lambda part: self._inverse.transform(source[part], target[part])))

    def analyse_intensity(self) -> Launch:
        """Spectra of the intensity -> its coefficients."""
        parities = _PARITIES[: self._layout.parts]
        return self._launch(self._intensity_polar.analyse(self._arrays["intensity_analysed"], self._arrays["intensity"], parities))

    def analyse_frozen(self) -> Launch:
        """Spectra of a frozen intensity -> its coefficients."""
        parities = _PARITIES[: self._layout.parts]
        spectra, frozen = self._arrays["intensity_analysed"], self._arrays["frozen_coefficients"]
        return self._launch(self._intensity_polar.analyse(spectra, frozen, parities))

    def synthesise_intensity(self) -> Launch:
        """Change of the intensity's coefficients -> its spectra."""
        parities, change = _PARITIES[: self._layout.parts], self._arrays["intensity_change"]
        return self._launch(self._intensity_polar.synthesise(change, self._arrays["intensity_synthesised"], parities))

    def overlaps(self) -> Launch | None:
        """Coefficients of the intensity -> overlaps with V_l."""
        products: list[Product] = []
        for order in self._layout.polar.orders:
            matrix, l = self._matrix(order.matrix, order.rows, order.width), order.l
            found, weighted = self._arrays["intensity"], self._weighted[order.l]
            products.append((found[: l + 1, l, 0], weighted, matrix[: l + 1]))
            products.append((found[1 : l + 1, l, 1], weighted, matrix[l + 1 :]))
        return self._launch(products) if products else None

    def projected(self) -> Launch | None:
        """Polar factors -> V_l U_l in the change of the intensity's coefficients."""
        products: list[Product] = []
        places = {order.l: order for order in self._layout.polar.orders}
        change = self._arrays["intensity_change"]
        for l, transposed in self._transposed.items():
            order = places.get(l)
            matrix = (
                self._matrix(order.matrix, order.rows, order.width)[:, : order.columns] if order else np.empty((2 * l + 1, 0), change.dtype)
            )
            products.append((matrix[: l + 1], transposed, change[: l + 1, l, 0]))
            products.append((matrix[l + 1 :], transposed, change[1 : l + 1, l, 1]))
        return self._launch(products) if products else None

    def _matrix(self, start: int, rows: int, width: int) -> NDArray:
        return self._arrays["matrices"][start : start + rows * width].reshape(rows, width)
