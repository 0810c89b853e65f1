"""What the reference program's front end found in its own set, against the truth of that set."""

import re

import numpy as np
import pytest
import reference_run
import small_run
from matplotlib.image import imread

from fxs_hpc.errors import InputFileError
from fxs_hpc.stages.emc import evaluate_front_end


@pytest.fixture(scope="module")
def reference(reference_data, tmp_path_factory):
    source, home = reference_data / "emc", tmp_path_factory.mktemp("reference")
    reference_run.front_end(source, home)
    for name in ("aux/prob-orien.bin", "aux/sym-op.dat", "reduce-data/reduced-data_id.dat", "aux/start-phi.dat"):
        reference_run.unpack(source, home, name)
    return source, home


def test_figures_of_the_reference_run(reference):
    """352 singles, 82 doubles, 34 junk frames and no blank one are kept; 98 % of the singles have a candidate within 3 degrees: both as the
    description of the set says."""
    source, home = reference
    context = small_run.context(home)
    evaluate_front_end.run(context, source / "truth.npz", compared=90)
    said = "\n".join(context.said)
    for kept in ("one crystal 352 of 700", "two crystals 82 of 100", "(blobs) 34 of 50", "background alone 0 of 50"):
        assert kept in said
    assert float(re.search(r"candidates of ([\d.]+) % of the 352", said)[1]) == pytest.approx(98, abs=0.5)
    found, expected = map(int, re.search(r"peaks +(\d+) of (\d+) that", said).groups())
    assert 0.6 < found / expected < 0.95 and expected > 300
    assert float(re.search(r"median error ([\d.]+) %", said)[1]) < 3
    for name in ("front-end.png", "frames.png"):
        assert imread(home / "simulate-frames" / name)[..., :3].std() > 0.05


def test_truth_of_another_set_is_refused(reference, tmp_path):
    source, home = reference
    with np.load(source / "truth.npz") as file:
        some = {name: values[:5] if name in ("kind", "quats", "phi", "bg_scale") else values for name, values in file.items()}
    np.savez(tmp_path / "truth.npz", **some)
    with pytest.raises(InputFileError, match="truth of 5 frames, but 900"):
        evaluate_front_end.run(small_run.context(home), tmp_path / "truth.npz")
    with pytest.raises(InputFileError, match=r"truth\.h5.*simulate-frames"):
        evaluate_front_end.run(small_run.context(home))
