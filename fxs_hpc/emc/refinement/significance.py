"""Counts that do not come by chance."""

from fxs_hpc.emc.compiled import piece

FILE = __file__


@piece
def stands_out(count, mean, sigmas):  # type: ignore[no-untyped-def]
    """Whether a count does not come by chance from a Poisson variate of this mean: it exceeds mean + z sqrt(mean) + (z^2 - 1) / 6, the
    quantile at z sigmas by the Cornish-Fisher expansion to first order."""
    above = count - mean - (sigmas * sigmas - 1.0) / 6.0
    return above > 0.0 and above * above > sigmas * sigmas * mean
