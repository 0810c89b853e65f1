"""Settings of the phasing: projections, sub loops, error metrics (parts of the settings of `reconstruct`)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator
from typing_extensions import Annotated

from fxs_hpc.config.fields import Count, FiniteReal, Fraction, Index, Integer, IterationLimit, Name, No, NotNegative, Positive, Section, section, setting
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.config.ramps import ExponentialRamp, LinearRamp

RealProjection = Literal["support", "value_threshold", "limit_imag", "assert_real", "average_center"]
RealMetric = Literal["l2_projection_diff", "support_size"]
ReciprocalMetric = Literal["l2_projection_diff", "deg2_invariant_l2_diff", "deg2_ranked_invariant_l2_diff", "ccd_diff", "fqc_error", "II_error"]
MethodName = Literal[
    "HIO", "ER", "RAAR", "SW", "SW_center", "HIO_non_FXS", "ER_non_FXS", "HIO_ft_stab", "ER_ft_stab", "RAAR_ft_stab"
]
QPoint = tuple[NotNegative, NotNegative]


class ShrinkWrap(Section):
    """Shrink wrap; lists have one entry per sub loop, one entry alone holds for all."""

    mode: Literal["threshold", "fixed_volume"] = setting(
        "threshold", "how the new support is cut", only=("threshold",), instead="only the threshold mode works"
    )
    kernel: Literal["gaussian", "flat_top"] = setting("gaussian", "blur: a Gaussian of width sigma, or the reference program's exp(-2 pi^2 sigma^2 q^4)")
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
    considered_projections: tuple[Literal["all"] | RealProjection, ...] = setting(("all",), "the real projections whose voxels get the feedback")


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

    max_radial_id: Count = setting(1, "number of innermost shells")


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

    apply: tuple[RealProjection, ...] = setting(("support", "value_threshold", "assert_real"), "constraints, applied in this order")
    support: Support = section(Support)
    value_threshold: ValueThreshold = section(ValueThreshold)
    limit_imag: LimitImag = section(LimitImag)
    average_center: AverageCenter = section(AverageCenter)


class RealSpace(Section):
    """Real space."""

    shrink_wrap: ShrinkWrap = section(ShrinkWrap)
    HIO: Hio = section(Hio)
    RAAR: Raar = section(Raar)
    projections: RealProjections = section(RealProjections)


class EstimateParticles(Section):
    """Estimate of the number of particles."""

    project: bool = setting(False, "", only=(False,), instead="number_of_particles.estimate does not work")
    estimate_in: tuple[str, ...] = setting(("ER",), "", only=("ER",), instead="number_of_particles.estimate does not work")
    scan_space: tuple[FiniteReal, ...] = setting((1.0, 20.0, 40.0), "", only=(1.0, 20.0, 40.0), instead="number_of_particles.estimate does not work")


class NumberOfParticles(Section):
    """Particles per pattern."""

    initial: Positive = setting(1.0, "number N of particles per pattern; the l = 0 coefficient is divided by sqrt(N)")
    estimate: bool = setting(False, "", only=(False,), instead="give the number as `initial`")
    settings: EstimateParticles = section(EstimateParticles)


class Regrid(Section):
    """From the radial points of the data to those of the reconstruction."""

    interpolation: Literal["nearest", "linear", "cubic"] = setting("cubic", "interpolation in q")


class ManualMask(Section):
    """Limits in q given by hand."""

    type: Literal["region", "order_dependent_line"] = setting("region", "one region for all orders, or a line in the (order, q) plane")
    region: tuple[NotNegative, NotNegative | No] = setting((0.0, False), "[lowest, highest] q; False = no limit", "1/A")
    order_dependent_line: tuple[QPoint, QPoint] = setting(((4.0, 0.004), (70.0, 0.34)), "two (order, q) points of the upper limit", "1/A")


class QMask(Section):
    """Where in q the invariants are imposed."""

    type: Literal["none", "from_projection_matrices", "manual"] = setting("none", "everywhere in the data, where extract allowed, or by hand")
    manual: ManualMask = section(ManualMask)


class SoFreedom(Section):
    """Fixing the free global rotation (2D)."""

    use: bool = setting(False, "fix the rotation; default True in 2D; not in 3D")
    radial_high_pass: Fraction = setting(0.2, "inner fraction of the radial points that does not count")


class ReciprocalSpace(Section):
    """Reciprocal space."""

    number_of_particles: NumberOfParticles = section(NumberOfParticles)
    regrid: Regrid = section(Regrid)
    used_order_ids: tuple[Index, ...] = setting(tuple(range(64)), "orders that are imposed; default: all up to grid.max_order")
    odd_orders_to_0: bool = setting(True, "set odd orders of the intensity to 0")
    use_averaged_intensity: bool = setting(True, "V_0 from <I>(q) instead of from B_0")
    keep_unknown_orders: bool = setting(True, "leave intensity orders above the data as they are instead of setting them to 0; needs an alias-free grid")
    rank_tolerance: Fraction = setting(1e-6, "columns of V_l below this fraction of its largest singular value are dropped")
    scale: Positive = setting(1.0, "factor on V_l; the reference program uses 2, so that its densities are sqrt(2) too large")
    q_mask: QMask = section(QMask)
    SO_freedom: SoFreedom = section(SoFreedom)


class Projections(Section):
    """Projections in real and reciprocal space."""

    real: RealSpace = section(RealSpace)
    reciprocal: ReciprocalSpace = section(ReciprocalSpace)


class LinkToSupport(Section):
    """ft_stab that follows enforce_initial_support."""

    delay: Index = setting(0, "steps between the end of the enforced support and the end of the stabilisation")


class Method(Section):
    """How often a method runs; a bare number is `iterations`."""

    short_form: ClassVar[str] = "iterations"

    iterations: Index = setting(1, "number of steps")
    ft_stab: bool | Literal["link_to_enforce_initial_support"] = setting(True, "remove the error of the inexact transform pair from each step")
    link_to_enforce_initial_support: LinkToSupport = section(LinkToSupport)

    def tree(self) -> dict[str, Any]:
        return {name: value for name, value in super().tree().items() if getattr(self, name) != type(self).model_fields[name].get_default(call_default_factory=True) or name == "iterations"}


class SubLoop(Section):
    """One named block of the phasing."""

    alternates: ClassVar[Mapping[str, str]] = {"mehtods": "methods"}

    methods: dict[MethodName, Method] = setting(description="method -> its settings")
    order: tuple[str, ...] = setting(description="methods in the order in which they run")
    iterations: Index = setting(1, "how often the block is repeated")
    best_density_not_in_first_n_iterations: IterationLimit = setting(
        float("inf"), "after the block, go back to its best density if that was found after this many of its iterations; inf = never"
    )

    @model_validator(mode="after")
    def _known_methods(self) -> "SubLoop":
        for name in self.order:
            if name not in self.methods:
                raise ValueError(f"order names {name!r}, which is not under methods ({', '.join(self.methods)}){suggestion(name, self.methods)}")
        for name, method in self.methods.items():
            if name.startswith("SW") and method.ft_stab is not True:
                raise ValueError(f"ft_stab does nothing in {name}: remove it")
        return self


DEFAULT_LOOPS: Mapping[str, Mapping[str, Any]] = {
    "main": {
        "methods": {"HIO": {"iterations": 60}, "ER": {"iterations": 40}, "SW": {"iterations": 1}},
        "order": ("HIO", "SW", "ER"),
        "iterations": 5,
    },
    "refinement": {"methods": {"ER": {"iterations": 100}, "SW": {"iterations": 1}}, "order": ("SW", "ER"), "iterations": 2},
}


class SubLoops(Section):
    """Named blocks of the phasing; each key other than `order` is a block."""

    order: tuple[Name, ...] = setting(("main", "refinement"), "blocks in the order in which they run")
    loops: dict[str, SubLoop] = setting({}, "block -> its settings")

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        named = {key: value for key, value in tree.items() if key not in ("order", "loops")}
        given = {**(tree.get("loops") or {}), **named}
        loops = {name: _with_defaults(name, given.get(name)) for name in (*DEFAULT_LOOPS, *given)}
        return {"order": tree.get("order", ("main", "refinement")), "loops": loops}

    @field_validator("order")
    @classmethod
    def _not_empty(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if not order:
            raise ValueError("order names no block")
        return order

    @model_validator(mode="after")
    def _known_loops(self) -> "SubLoops":
        for name in self.order:
            if name not in self.loops:
                raise ValueError(f"order names the block {name!r}, which is not defined here ({', '.join(self.loops)}){suggestion(name, self.loops)}")
        return self

    def tree(self) -> dict[str, Any]:
        return {"order": list(self.order), **{name: loop.tree() for name, loop in self.loops.items()}}


def _with_defaults(name: str, loop: Any) -> Any:
    """The documented defaults of `main` and `refinement` fill what their sections leave out."""
    default = DEFAULT_LOOPS.get(name, {})
    if loop is None:
        return dict(default) or loop
    if not isinstance(loop, Mapping):
        return loop
    return {**default, **_respelled_methods(loop)}


def _respelled_methods(loop: Mapping[str, Any]) -> dict[str, Any]:
    return {"methods" if key == "mehtods" else key: value for key, value in loop.items()}


class L2Inside(Section):
    """Where the real-space error is taken."""

    inside_initial_support: bool = setting(True, "inside the initial support only")


class RankedInvariant(Section):
    """Error of one order."""

    order: Index = setting(2, "harmonic order")


class CcdDiff(Section):
    """Error of one circular harmonic of the correlation."""

    C_order: Index = setting(2, "order n of C_n")


class RealErrors(Section):
    """Errors in real space."""

    calculate: tuple[RealMetric, ...] = setting(("l2_projection_diff",), "metrics to compute")
    l2_projection_diff: L2Inside = section(L2Inside)


class ReciprocalErrors(Section):
    """Errors in reciprocal space."""

    calculate: tuple[ReciprocalMetric, ...] = setting(
        (), "metrics to compute", only=("l2_projection_diff", "deg2_invariant_l2_diff"), instead="it comes later"
    )
    deg2_ranked_invariant_l2_diff: RankedInvariant = section(RankedInvariant)
    ccd_diff: CcdDiff = section(CcdDiff)


class MainMetrics(Section):
    """Metrics that make the main error."""

    real: tuple[RealMetric, ...] = setting(("l2_projection_diff",), "of those calculated in real space")
    reciprocal: tuple[ReciprocalMetric, ...] = setting((), "of those calculated in reciprocal space")


class MainError(Section):
    """The error that ranks reconstructions."""

    metrics: MainMetrics = section(MainMetrics)
    type: Literal["mean", "min", "max", "prod"] = setting("mean", "how the metrics are combined")


class ErrorMethods(Section):
    """Error metrics."""

    real: RealErrors = section(RealErrors)
    reciprocal: ReciprocalErrors = section(ReciprocalErrors)
    main: MainError = section(MainError)

    @model_validator(mode="after")
    def _calculated(self) -> "ErrorMethods":
        for space in ("real", "reciprocal"):
            for name in getattr(self.main.metrics, space):
                if name not in getattr(self, space).calculate:
                    raise ValueError(f"main.metrics.{space} names {name!r}, which {space}.calculate does not")
        if not (self.main.metrics.real or self.main.metrics.reciprocal):
            raise ValueError("main.metrics names no metric")
        return self


class Limits(Section):
    """Stopping rule."""

    use: bool = setting(False, "", only=(False,), instead="the loop runs the steps that its order says")


class Errors(Section):
    """Error metrics and stopping rules."""

    methods: ErrorMethods = section(ErrorMethods)
    limits: Limits = section(Limits)
    gain_limits: Limits = section(Limits)


class MainLoop(Section):
    """The phasing loop."""

    sub_loops: SubLoops = section(SubLoops)
    error: Errors = section(Errors)
    resolution_schedule: No | tuple[tuple[Annotated[Fraction, Field(gt=0)], ...], ...] = setting(
        False, "per sub loop the fractions of q_max that are opened up in turn, one per iteration of the block (the last stays); False = all of q from the start"
    )
    history_length: Integer = setting(3, "", only=(3,), instead="the loop keeps exactly the densities it needs")


METHODS = get_args(MethodName)
