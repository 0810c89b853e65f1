"""[rej-frames]: frames without a crystal, or with several."""

from typing import Literal

from fxs_hpc.config.fields import Fraction, Section, setting


class RejectionKeys(Section):
    """Rejection of frames after the low-resolution reconstruction."""

    rejection_rule: Literal["peaks", "reference"] = setting(
        "peaks",
        "peaks = by the share of the found peaks that the best orientation explains; reference = by different probable orientations",
    )
    least_explained: Fraction = setting(0.8, "least share of the peaks that the best orientation of a kept frame explains")
