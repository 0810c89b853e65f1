"""Reconstructions in the plane on a device: where everything lies, and the matrix products of a step.

Fields are pairs of real fields on `points` points of each ring: of a real density the parts even and odd under r -> -r, on half a circle
(of the amplitude F = A + iB these are A and B, both real); of a complex one real and imaginary part on the whole circle. Along phi they
are transformed by matrix products, which any number of angles allows. Coefficients run [order, re/im, member, r]: all members are rows
of one Hankel product for each order.
"""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Constraints, PlaneGeometry
from fxs_hpc.engine.layout import padded
from fxs_hpc.engine.opencl.constants import Sizes
from fxs_hpc.engine.opencl.products import Launch, Places, Tiling, launch
from fxs_hpc.engine.plane_projection import PlaneProjection
from fxs_hpc.engine.polar import Product
from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.hankel import hankel_matrices, phase, plane_phase

COEFFICIENTS = ("density_coefficients", "amplitude_coefficients", "change_coefficients")


class PlaneLayout:
    """`engine.opencl.board.Arrangement` in the plane. A ring of its own here is a run of `length` points, `half` of them a side."""

    def __init__(self, geometry: PlaneGeometry, constraints: Constraints, run: int | None = None) -> None:
        order, n_phi = geometry.amplitude_order, geometry.angular.n_phi
        largest = max(order, constraints.reciprocal.max_order)
        if geometry.angular.max_order < largest or (n_phi % 2 and not geometry.complex_density):
            raise SettingsError(
                f"a circle of {n_phi} angles does not fit order {largest}: n_phi must be >= {2 * largest + 1}, and even for a real density"
            )
        self.order, self.n_phi = order, n_phi
        self.parts, self.sides = (2, 1) if geometry.complex_density else (1, 2)
        self.points = n_phi // self.sides
        self.half = self.points // largest_divisor(self.points, run or self.points)
        self.length = self.points // self.half
        self.shells, self.stored = geometry.radial.n_points, padded(geometry.radial.n_points)
        even, odd = np.arange(0, order + 1, 2), np.arange(1, order + 1, 2)
        self.orders = np.concatenate([np.arange(order + 1), np.arange(-order, 0)] if self.parts == 2 else [even, odd])
        self.n_even = len(even)
        kept = constraints.reciprocal.max_order if constraints.keep_unknown_orders else order
        self.intensity_orders = np.arange(0, kept + 1, self.sides)
        pair, grid = (2, self.points, self.stored), (self.points, self.stored)
        rows, coefficients = (len(self.intensity_orders), 2, self.stored), (len(self.orders), 2, self.stored)
        self.shapes: dict[str, tuple[int, ...]] = {"analysed": pair, "synthesised": pair}
        self.shapes |= dict.fromkeys(COEFFICIENTS, coefficients)
        self.shapes |= {"intensity_analysed": grid, "intensity_synthesised": grid, "intensity": rows, "intensity_change": rows}

    @property
    def voxels(self) -> int:
        """Grid points stored."""
        return self.n_phi * self.stored

    @property
    def sizes(self) -> Sizes:
        """What one member takes."""
        real = {name: int(np.prod(shape)) for name, shape in self.shapes.items()}
        real |= {"density": 2 * self.parts * self.voxels, "amplitude": self.parts * self.voxels, "rows": 2 * self.half * self.stored}
        return Sizes(real, {"support": 2 * self.voxels, "initial": self.voxels, "mask": self.voxels}, {})

    def _field(self, rows: NDArray, kind: np.dtype) -> NDArray:
        """[..., phi, r] -> the same with the radii padded."""
        field = np.zeros((*rows.shape[:-1], self.stored), kind)
        field[..., : self.shells] = rows
        return field

    def _parts(self, rows: NDArray, kind: np.dtype) -> NDArray:
        return self._field(np.stack([rows.real, rows.imag][: self.parts]), kind)

    def folded(self, density: NDArray, real: np.dtype) -> NDArray:
        """See `Arrangement.folded`."""
        return self._parts(density.T, real)

    def unfolded(self, field: NDArray) -> NDArray:
        """See `Arrangement.unfolded`."""
        return self.density_to_snapshot(field).T.copy()

    def folded_support(self, support: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """See `Arrangement.folded_support`."""
        return self._field(support.T, np.dtype(np.uint8))

    def unfolded_support(self, field: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """See `Arrangement.unfolded_support`."""
        return self.to_snapshot(field).T.astype(bool)

    def density_from_snapshot(self, density: NDArray, real: np.dtype) -> NDArray:
        """See `Arrangement.density_from_snapshot`."""
        return self._parts(density, real)

    def density_to_snapshot(self, field: NDArray) -> NDArray:
        """See `Arrangement.density_to_snapshot`."""
        parts = field.reshape(self.parts, self.n_phi, self.stored)[..., : self.shells]
        return parts[0] + 1j * parts[1] if self.parts == 2 else parts[0]

    def from_snapshot(self, array: NDArray, kind: np.dtype) -> NDArray:
        """See `Arrangement.from_snapshot`."""
        return self._field(array, kind)

    def to_snapshot(self, field: NDArray) -> NDArray:
        """See `Arrangement.to_snapshot`."""
        return field.reshape(-1, self.stored)[:, : self.shells]

    def filled(self, shells: int) -> int:
        """See `Arrangement.filled`: rings are not left out here."""
        return self.stored


def largest_divisor(number: int, limit: int) -> int:
    """Largest divisor of `number` that is at most `limit`."""
    return max(divisor for divisor in range(1, min(number, max(limit, 1)) + 1) if number % divisor == 0)


def _as_real(matrix: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Complex (a, b) -> real ([re/im, a], [re/im, b])."""
    return np.block([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])


class PlaneMatrices:
    """The matrix products of a step, and the constants they need."""

    def __init__(
        self, geometry: PlaneGeometry, constraints: Constraints, layout: PlaneLayout, dtype: np.dtype, tiling: Tiling, members: int
    ) -> None:
        self._layout, self._tiling, self._members, self._dtype = layout, tiling, members, dtype
        self._places = Places(dtype)
        self._arrays: dict[str, NDArray] = {}
        for name, shape in layout.shapes.items():
            whole = (*shape[:-1], members, layout.stored) if name in COEFFICIENTS else shape
            self._arrays[name] = self._places.stand_in(name, whole)
        self._arrays["frozen"] = self._places.stand_in("frozen", layout.shapes["intensity_analysed"])
        self._arrays["frozen_coefficients"] = self._places.stand_in("frozen_coefficients", layout.shapes["intensity"])
        self.projection = PlaneProjection(constraints.reciprocal, layout.intensity_orders, dtype)
        self._phi = 2 * np.pi * np.arange(layout.points) / layout.n_phi
        self._make_transforms(geometry, constraints)
        hankel = [hankel_matrices(geometry.radial, layout.order, way, constraints.r_max_convention) for way in ("forward", "inverse")]
        self.inverse = hankel[1]
        self._forward, self._inverse = ([self._places.constant(self._padded(m)) for m in of] for of in hankel)

    def _padded(self, matrix: NDArray) -> NDArray:
        return np.pad(matrix, ((0, 0), (0, self._layout.stored - matrix.shape[1])))

    def _make_transforms(self, geometry: PlaneGeometry, constraints: Constraints) -> None:
        layout = self._layout
        constant = self._places.constant
        if layout.parts == 2:
            signs = plane_phase(layout.orders, geometry.radial.kind, constraints.r_max_convention)
            waves = np.exp(1j * np.outer(self._phi, layout.orders))
            both = [(waves * s, (waves * s).conj().T / layout.n_phi) for s in (np.ones_like(signs), signs)]
            self._synthesis = [[constant(self._coefficient_columns(out))] for out, _ in both]
            self._analysis = [[constant(self._coefficient_columns(into.conj().T).T)] for _, into in both]
        else:
            signs = phase(layout.orders).astype(float)
            parity = [layout.orders[: layout.n_even], layout.orders[layout.n_even :]]
            sign = [signs[: layout.n_even], signs[layout.n_even :]]
            self._synthesis = [[constant(self._synthesis_of(m, s if scaled else 1.0)) for m, s in zip(parity, sign)] for scaled in (0, 1)]
            self._analysis = [[constant(self._analysis_of(m, s if scaled else 1.0)) for m, s in zip(parity, sign)] for scaled in (0, 1)]
        self._intensity_synthesis = constant(self._synthesis_of(layout.intensity_orders, 1.0))
        self._intensity_analysis = constant(self._analysis_of(layout.intensity_orders, 1.0))

    @staticmethod
    def _coefficient_columns(waves: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Complex (points, orders) -> real ([re/im, point], [order, re/im])."""
        points, orders = waves.shape
        return _as_real(waves).reshape(2 * points, 2, orders).transpose(0, 2, 1).reshape(2 * points, 2 * orders)

    def _synthesis_of(self, orders: NDArray, signs: NDArray | float) -> NDArray[np.float64]:
        """(points, [order >= 0, re/im]) of a real field."""
        angles = np.outer(self._phi, orders)
        both = np.stack([np.cos(angles), -np.sin(angles)], axis=-1) * (np.where(orders > 0, 2.0, 1.0) * signs)[:, None]
        return both.reshape(len(self._phi), -1)

    def _analysis_of(self, orders: NDArray, signs: NDArray | float) -> NDArray[np.float64]:
        """([order >= 0, re/im], points) of a real field."""
        angles = np.outer(orders, self._phi)
        both = np.stack([np.cos(angles), -np.sin(angles)], axis=1) * np.broadcast_to(signs, len(orders))[:, None, None]
        return both.reshape(-1, len(self._phi)) / len(self._phi)

    def constants(self) -> NDArray:
        """The pool that the tables refer to."""
        return self._places.constants()

    def inner_columns(self, inner: int) -> NDArray:
        """[m, r, q]: inverse Hankel matrices for the first `inner` rings, transposed, over the stored radii."""
        columns = self.inverse[:, :, :inner].transpose(0, 2, 1)
        return np.pad(columns, ((0, 0), (0, 0), (0, self._layout.stored - columns.shape[2])))

    def _launch(self, products: list[Product], together: bool = False) -> Launch:
        return launch(products, self._places, self._tiling, together)

    def _rows(self, name: str) -> NDArray:
        """Coefficients of the first member: ([order, re/im], r)."""
        array = self._arrays[name][:, :, 0]
        return np.lib.stride_tricks.as_strided(array, (2 * len(array), array.shape[2]), array.strides[1:])

    def _halves(self, coefficients: str, pair: str) -> list[tuple[NDArray, NDArray]]:
        """Coefficients and fields that one matrix connects: of a real density those of each parity."""
        rows, fields, even = self._rows(coefficients), self._arrays[pair], 2 * self._layout.n_even
        if self._layout.parts == 2:
            return [(rows, fields.reshape(-1, fields.shape[-1]))]
        return [(rows[:even], fields[0]), (rows[even:], fields[1])]

    def analyse(self, target: str, shells: int) -> Launch:
        """Pair 'analysed' -> coefficients `target`."""
        matrices = self._analysis[target == "change_coefficients"]
        return self._launch([(a, field, c) for a, (c, field) in zip(matrices, self._halves(target, "analysed"), strict=True)])

    def synthesise(self, source: str, shells: int) -> Launch:
        """Coefficients `source` -> pair 'synthesised'."""
        matrices = self._synthesis[source == "amplitude_coefficients"]
        return self._launch([(a, c, field) for a, (c, field) in zip(matrices, self._halves(source, "synthesised"), strict=True)])

    def _hankel(self, matrices: list[NDArray], source: str, target: str) -> Launch:
        products: list[Product] = []
        stored, shells = self._layout.stored, self._layout.shells
        for place, order in enumerate(np.abs(self._layout.orders)):
            rows, result = (self._arrays[name][place].reshape(-1, stored) for name in (source, target))
            products.append((rows[:, :shells], matrices[order], result))
        return self._launch(products, together=True)

    def to_amplitude(self, shells: int) -> Launch:
        """Hankel transforms of the density's coefficients."""
        return self._hankel(self._forward, "density_coefficients", "amplitude_coefficients")

    def to_density(self, shells: int) -> Launch:
        """Inverse Hankel transforms of the changed amplitude's coefficients."""
        return self._hankel(self._inverse, "change_coefficients", "density_coefficients")

    def _flat(self, name: str) -> NDArray:
        return self._arrays[name].reshape(-1, self._layout.stored)

    def analyse_intensity(self) -> Launch:
        """Intensity -> its coefficients."""
        return self._launch([(self._intensity_analysis, self._arrays["intensity_analysed"], self._flat("intensity"))])

    def analyse_frozen(self) -> Launch:
        """Frozen intensity -> its coefficients."""
        return self._launch([(self._intensity_analysis, self._arrays["frozen"], self._flat("frozen_coefficients"))])

    def synthesise_intensity(self) -> Launch:
        """Change of the intensity's coefficients -> the change."""
        return self._launch([(self._intensity_synthesis, self._flat("intensity_change"), self._arrays["intensity_synthesised"])])
