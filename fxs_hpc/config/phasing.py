"""Settings of the projections in real and reciprocal space (part of the settings of `reconstruct`)."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from fxs_hpc.config.fields import (
    Count,
    FiniteReal,
    Fraction,
    Index,
    No,
    NotNegative,
    Positive,
    Section,
    section,
    setting,
)
from fxs_hpc.config.loops import MethodName
from fxs_hpc.config.ramps import ExponentialRamp, LinearRamp

RealProjection = Literal["support", "value_threshold", "limit_imag", "assert_real", "average_center"]
QPoint = tuple[NotNegative, NotNegative]


class FixedVolume(Section):
    """Shrink wrap by volume."""

    fractions: tuple[LinearRamp, ...] = setting(
        (LinearRamp(start=0.1),), "volume of the new support as a fraction of that of the initial support; one entry per sub loop"
    )


class ShrinkWrap(Section):
    """Shrink wrap; lists have one entry per sub loop, one entry alone holds for all."""

    mode: Literal["threshold", "fixed_volume"] = setting(
        "threshold",
        "how the new support is cut from the blurred density: at a fraction of its range, or where its largest voxels fill a volume",
    )
    fixed_volume: FixedVolume = section(FixedVolume)
    kernel: Literal["gaussian", "flat_top"] = setting(
        "gaussian", "blur: a Gaussian of width sigma, or the reference program's exp(-2 pi^2 sigma^2 q^4)"
    )
    sigmas: tuple[LinearRamp, ...] = setting((LinearRamp(), LinearRamp()), "width of the blur; False = pi / q_max", "A")
    thresholds: tuple[LinearRamp, ...] = setting(
        (LinearRamp(start=0.08), LinearRamp(start=0.08)), "a voxel is support from this fraction between minimum and maximum on"
    )


class Hio(Section):
    """Hybrid input-output."""

    alternates: ClassVar[Mapping[str, str]] = {"betas": "beta"}

    beta: tuple[ExponentialRamp, ...] = setting(
        (
            ExponentialRamp(start=0.5, stop=0.4, exponent=-1 / 700, stop_argument=1600),
            ExponentialRamp(start=0.01, stop=0.002, exponent=-1 / 200, stop_argument=200),
        ),
        "feedback per sub loop; another spelling: betas",
    )
    considered_projections: tuple[Literal["all"] | RealProjection, ...] = setting(
        ("all",), "the real projections whose voxels get the feedback"
    )


class Raar(Section):
    """Relaxed averaged alternating reflections."""

    alternates: ClassVar[Mapping[str, str]] = {"betas": "beta"}

    beta: tuple[ExponentialRamp, ...] = setting((ExponentialRamp(start=0.9), ExponentialRamp(start=0.9)), "relaxation per sub loop")


class ValueThreshold(Section):
    """Limits of the real part."""

    threshold: tuple[FiniteReal | No, FiniteReal | No] = setting((0.0, False), "[lower, upper]; False = no limit")


class LimitImag(Section):
    """Limit of the imaginary part."""

    threshold: NotNegative = setting(2.0, "an imaginary part of this magnitude or more is set to 0")


class AverageCenter(Section):
    """Angular mean of the innermost shells."""

    max_radial_id: Count = setting(1, "number of innermost shells that are replaced by their mean over the angles")


class AutoCorrelation(Section):
    """Support from the autocorrelation."""

    threshold: Fraction = setting(0.01, "fraction of the autocorrelation's maximum")


class InitialSupport(Section):
    """Support at the start."""

    type: Literal["max_radius", "auto_correlation"] = setting("max_radius", "a ball, or where the autocorrelation is large")
    max_radius: Positive = setting(150.0, "radius of the ball; default: particle_radius", "A")
    auto_correlation: AutoCorrelation = section(AutoCorrelation)


class EnforceInitialSupport(Section):
    """Whether shrink wrap stays inside the initial support."""

    apply: bool = setting(True, "intersect each new support with the initial one")
    if_error_bigger_than: NotNegative | No = setting(6e-3, "only while the main error is larger; False = always")


class Support(Section):
    """Support constraint."""

    initial_support: InitialSupport = section(InitialSupport)
    enforce_initial_support: EnforceInitialSupport = section(EnforceInitialSupport)


class RealProjections(Section):
    """Constraints on the density."""

    apply: tuple[RealProjection, ...] = setting(
        ("support", "value_threshold", "assert_real"),
        "constraints; support, value_threshold and limit_imag give the same in any order, average_center comes last",
    )
    support: Support = section(Support)
    value_threshold: ValueThreshold = section(ValueThreshold)
    limit_imag: LimitImag = section(LimitImag)
    average_center: AverageCenter = section(AverageCenter)

    def refusals(self) -> Iterator[str]:
        """One sentence for each constraint that makes no sense."""
        key, (low, high) = "projections.real.projections", self.value_threshold.threshold
        lower, upper = (-math.inf if low is False else low), (math.inf if high is False else high)
        if "value_threshold" in self.apply and not lower <= 0 <= upper:
            yield (
                f"{key}.value_threshold.threshold: [{lower:g}, {upper:g}] does not contain 0, the density outside the particle; "
                "use lower <= 0 <= upper"
            )
        if "limit_imag" in self.apply and self.limit_imag.threshold == 0:
            yield f"{key}.limit_imag.threshold: 0 leaves no imaginary part; apply assert_real instead"


class RealSpace(Section):
    """Real space."""

    shrink_wrap: ShrinkWrap = section(ShrinkWrap)
    HIO: Hio = section(Hio)
    RAAR: Raar = section(Raar)
    projections: RealProjections = section(RealProjections)

    def refusals(self) -> Iterator[str]:
        """One sentence for each value that makes no sense."""
        yield from self.projections.refusals()
        for name in self.HIO.considered_projections:
            if name not in ("all", *self.projections.apply):
                yield (
                    f"projections.real.HIO.considered_projections: {name!r} is not applied; name some of "
                    f"{', '.join(self.projections.apply)}, or all"
                )
        wrap = self.shrink_wrap
        for key, upper, allowed, ramps in (
            ("sigmas", math.inf, "a length >= 0", wrap.sigmas),
            ("thresholds", 1.0, "a fraction 0 .. 1", wrap.thresholds),
            ("fixed_volume.fractions", 1.0, "a fraction 0 .. 1", wrap.fixed_volume.fractions),
        ):
            for ramp in ramps:
                if not (0 <= ramp.start <= upper and 0 <= ramp.stop <= upper):
                    yield f"projections.real.shrink_wrap.{key}: found {ramp.tree()}, allowed is {allowed}"
                if upper == 1 and ramp.slope > 0 and not ramp.stop:
                    yield f"projections.real.shrink_wrap.{key}: found {ramp.tree()}; a threshold that rises needs a stop"


class EstimateParticles(Section):
    """How the number of particles is estimated."""

    project: bool = setting(
        True, "go on with each estimate; False = only record them, while the loop stays with `initial`, to which they are then biased"
    )
    estimate_in: tuple[MethodName, ...] = setting(("ER",), "methods after which an estimate is made; while others run the number stays")
    scan_space: tuple[Positive, Positive, Annotated[Count, Field(ge=2)]] = setting(
        (1.0, 20.0, 40), "[smallest, largest, how many] numbers tried, at equal ratios; the loop begins with the largest"
    )

    @model_validator(mode="after")
    def _ascending(self) -> "EstimateParticles":
        start, stop, _ = self.scan_space
        if stop <= start:
            raise ValueError(f"scan_space: [{start:g}, {stop:g}, ...] is no range; give [smallest, largest, how many]")
        return self


class NumberOfParticles(Section):
    """Particles per pattern."""

    initial: Positive = setting(1.0, "number N of particles per pattern; the l = 0 coefficient is divided by sqrt(N)")
    estimate: bool = setting(False, "find the number while phasing; see fxs.md, Number of particles, for what can be expected")
    settings: EstimateParticles = section(EstimateParticles)


class Regrid(Section):
    """From the radial points of the data to those of the reconstruction."""

    interpolation: Literal["nearest", "linear", "cubic"] = setting("cubic", "interpolation in q")


class ManualMask(Section):
    """Limits in q given by hand."""

    type: Literal["region", "order_dependent_line"] = setting("region", "one region for all orders, or a line in the (order, q) plane")
    region: tuple[NotNegative, NotNegative | No] = setting((0.0, False), "[lowest, highest] q; False = no limit", "1/A")
    order_dependent_line: tuple[QPoint, QPoint] = setting(
        ((4.0, 0.004), (70.0, 0.34)),
        "two (order, q) points of a line, a lower limit: an order l is imposed from the line's q(l) on (a particle of radius R has nothing"
        " of it below q = l / R)",
        "1/A",
    )

    @model_validator(mode="after")
    def _line_and_region(self) -> "ManualMask":
        (first, _), (second, _) = self.order_dependent_line
        if first == second:
            raise ValueError(f"order_dependent_line: both points have order {first:g}; give two different orders")
        low, high = self.region
        if high is not False and high <= low:
            raise ValueError(f"region: [{low:g}, {high:g}] is empty; give [lowest, highest]")
        return self


class QMask(Section):
    """Where in q the invariants are imposed."""

    type: Literal["none", "from_projection_matrices", "manual"] = setting(
        "none", "everywhere in the data, where extract allowed, or by hand"
    )
    manual: ManualMask = section(ManualMask)


class SoFreedom(Section):
    """Fixing the free global rotation (2D)."""

    use: bool = setting(False, "fix the rotation; default True in 2D; not in 3D")
    radial_high_pass: Fraction = setting(
        0.2, "inner fraction of the radial points that does not count in the choice of the order whose phase factor is set to 1"
    )


class ReciprocalSpace(Section):
    """Reciprocal space."""

    number_of_particles: NumberOfParticles = section(NumberOfParticles)
    regrid: Regrid = section(Regrid)
    used_order_ids: tuple[Index, ...] = setting(tuple(range(64)), "orders that are imposed; default: all up to grid.max_order")
    odd_orders_to_0: bool = setting(True, "set odd orders of the intensity to 0")
    use_averaged_intensity: bool = setting(True, "V_0 from <I>(q) instead of from B_0")
    keep_unknown_orders: bool = setting(
        True, "leave intensity orders above the data as they are instead of setting them to 0; needs an alias-free grid"
    )
    rank_tolerance: Fraction = setting(1e-4, "columns of V_l below this fraction of its largest singular value are dropped")
    scale: Positive = setting(1.0, "factor on V_l; the reference program uses 2, so that its densities are sqrt(2) too large")
    q_mask: QMask = section(QMask)
    SO_freedom: SoFreedom = section(SoFreedom)


class Projections(Section):
    """Projections in real and reciprocal space."""

    real: RealSpace = section(RealSpace)
    reciprocal: ReciprocalSpace = section(ReciprocalSpace)
