"""What an average amounts to: its fields, resolution curves, and the closing lines."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.average import Average as Settings
from fxs_hpc.fluctuation.averaging import (
    Average,
    Candidate,
    GridFields,
    grid_fields,
    normalised,
    pairwise_correlation,
    squared_modulus,
)
from fxs_hpc.fluctuation.comparison import Comparison, RunAgreement
from fxs_hpc.fluctuation.ensemble import Ensemble
from fxs_hpc.fluctuation.field_transform import FieldTransform
from fxs_hpc.fluctuation.invariant_overlap import invariants, overlap
from fxs_hpc.fluctuation.resolution import (
    ShellCurve,
    crossing,
    half_bit_curve,
    half_set_correlation,
    pseudo_correlation,
    transfer_functions,
)

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
    fqcb: NDArray[np.float64] | None
    pairwise: NDArray[np.float64]
    radius: float
    prtf_resolution: float | None
    fsc_resolution: float | None


def summarise(
    settings: Settings, space: FieldTransform, ensemble: Ensemble, average: Average, candidates: Sequence[Candidate]
) -> Summary:
    """Fields and resolution of an average."""
    q, wanted = space.radial.q, settings.resolution_metrics
    fields = grid_fields(space, average.density, average.amplitude)
    scaled = normalised(fields.density, settings.average_normalization_min)
    radius = _radius(space, scaled.real)
    half_bit = half_bit_curve(q, float(q[1] - q[0]), 2 * radius, space.dimensions)
    curves = transfer_functions(space, average) if wanted.PRTF else {}
    fsc = half_set_correlation(space, average)
    # Below, a shell holds less than one independent point, and no correlation is enough.
    whole = (q >= np.pi / radius) & (half_bit < 1)
    return Summary(
        average,
        fields,
        scaled,
        tuple(candidates[i].error for i in ensemble.accepted),
        curves,
        fsc,
        half_bit,
        pseudo_correlation(space, average) if wanted.pseudo_FSC else None,
        _invariant_overlap(space, fields) if wanted.FQCB else None,
        pairwise_correlation([ensemble.volumes[i] for i in ensemble.accepted], space.radial.r_weights),
        radius,
        _length(crossing(q, np.abs(curves["PRTF"].mean), 1 / np.e)) if curves else None,
        None if fsc is None else _length(crossing(q[whole], fsc[whole], half_bit[whole])),
    )


def _radius(space: FieldTransform, scaled: NDArray[np.floating]) -> float:
    """Outermost shell (A) of which more than a thousandth is denser than `EDGE_LEVEL`."""
    directions = tuple(range(scaled.ndim - 1))
    dense = np.flatnonzero((scaled > EDGE_LEVEL).mean(axis=directions) > 1e-3)
    return float(space.radial.r[dense[-1]]) if dense.size else space.radial.r_max


def _invariant_overlap(space: FieldTransform, fields: GridFields) -> NDArray[np.float64]:
    return overlap(*(invariants(space, squared_modulus(field)) for field in (fields.ft_density, fields.amplitude)))


def _length(q: float | None) -> float | None:
    return None if q is None else 2 * np.pi / q


def summary_lines(result: Summary, comparison: Comparison | None, runs: Sequence[RunAgreement]) -> list[str]:
    """What the user reads at the end."""
    count = result.average.count
    lines = []
    if count > 1:
        pairs = result.pairwise[np.triu_indices(count, 1)]
        spread = f"{pairs.min():.3f} .. {pairs.max():.3f}, median {np.median(pairs):.3f}"
        lines.append(f"  average of {count}: correlation between runs {spread}")
        resolved = {"PRTF > 1/e": result.prtf_resolution, "half-set FSC > half-bit": result.fsc_resolution}
        if not result.curves:
            del resolved["PRTF > 1/e"]
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
