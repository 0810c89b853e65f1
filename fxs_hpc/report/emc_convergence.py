"""How EMC converges, flag by flag."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fxs_hpc.emc.convergence import FlagRecord
from fxs_hpc.report.figure import BLUE, GREY, ORANGE, blank, plain, save

KINDS = (("intensity", "intensity", BLUE), ("phi", "scale factors", ORANGE))
SHARES = (("accepted", "frames taking part", BLUE), ("moved", "best rotation moved", ORANGE), ("evaluated", "candidates searched", GREY))


def plot_convergence(path: Path, history: Sequence[FlagRecord]) -> None:
    """Change, log-likelihood, mutual information, moved rotations and shares of every flag."""
    figure = blank(10, 7.5)
    figure.subplots_adjust(wspace=0.28, hspace=0.35)
    change, likelihood, information, shares = figure.subplots(2, 2).flat
    for kind, label, colour in KINDS:
        some = [record for record in history if record.kind == kind]
        if some:
            change.semilogy(
                [record.flag for record in some], [max(record.angle, 1e-12) for record in some], "o-", ms=3, c=colour, label=label
            )
    plain(change, f"After flag {history[-1].flag}", "flag", "change (degrees)")
    change.legend(fontsize=8)
    flags = np.array([record.flag for record in history])
    likelihood.plot(flags, [record.log_likelihood for record in history], "o-", ms=3, c=BLUE)
    plain(likelihood, "Likelihood", "flag", "log-likelihood against background")
    information.plot(flags, [record.information for record in history], "o-", ms=3, c=BLUE)
    plain(information, "Information on the rotation", "flag", "nats per frame")
    for name, label, colour in SHARES:
        shares.plot(flags, [100 * getattr(record, name) for record in history], "o-", ms=3, c=colour, label=label)
    plain(shares, "Shares", "flag", "per cent")
    shares.legend(fontsize=8)
    save(figure, path)
