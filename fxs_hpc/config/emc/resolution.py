"""[resolution]: two halves of the frames, reconstructed on their own."""

from typing import Literal

from fxs_hpc.config.fields import Section, setting


class Resolution(Section):
    """How the halves are reconstructed."""

    resolution_method: Literal["off-grid", "grid"] = setting(
        "off-grid", "off-grid: refine-orientations; grid: the documents' way, low-res-emc, rej-frames, setup-local and local-update"
    )
