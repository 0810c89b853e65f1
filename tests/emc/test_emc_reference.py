"""EMC against the reference program's run: every flag from the state before, then chained; and against the truth of its frames."""

import numpy as np
import pytest

from fxs_hpc.emc.quaternions import misorientation, quaternions_of
from fxs_hpc.emc.rules import OWN, REFERENCE
from tests.emc import emc_reference as reference


@pytest.fixture(scope="module")
def folder(reference_data):
    return reference_data / "emc"


@pytest.fixture(scope="module")
def exact(folder, tmp_path_factory):
    """The reference's rules and its quaternions in single precision."""
    return reference.task(folder, tmp_path_factory.mktemp("exact"), REFERENCE, single=True)


def golden(folder, flag):
    """Intensity (odd) or scale factors (even) of the reference."""
    name = f"{reference.LOW}/iter_flag-{flag}"
    return (
        reference.numbers(folder, f"{name}/finish_intensity.bin", "<f8")
        if flag % 2
        else reference.text(folder, f"{name}/total-phi.dat")[:, 0]
    )


def start(folder):
    name = f"{reference.LOW}/start"
    return reference.numbers(folder, f"{name}_intensity.bin", "<f8"), reference.text(folder, f"{name}-phi.dat")[:, 0]


def everything(task):
    return np.ones(len(task.work.evaluations.wanted), bool)


def check_probabilities(folder, flag, task, searched):
    """Same rotations with the same probabilities, to 5e-5 (reached: 6e-6, the digits of the file)."""
    first = searched.assignment.first
    for frame, (rotation, probability) in enumerate(reference.high_p(folder, f"{reference.LOW}/iter_flag-{flag}")):
        mine = slice(first[frame], first[frame + 1])
        found = dict(zip(task.work.number[searched.assignment.rotation[mine]].tolist(), searched.assignment.probability[mine]))
        # Rotations of equal probability may stand in for each other at the end of the list.
        np.testing.assert_allclose(np.sort(list(found.values())), np.sort(probability), atol=5e-5)
        for r, p in zip(rotation.tolist(), probability):
            assert abs(found.get(r, probability.min()) - p) <= 5e-5


def check_intensity(folder, flag, new):
    table = reference.text(folder, f"{reference.LOW}/iter_flag-{flag}/intens-mean-std.dat")
    assert len(table) == np.count_nonzero(new.seen) == 652
    largest = table[:, 4].max()
    strong = table[:, 4] > 0.01 * largest
    np.testing.assert_allclose(new.sums[strong], table[strong, 4], rtol=1e-3)
    np.testing.assert_allclose(new.sums, table[:, 4], atol=1e-4 * largest)
    np.testing.assert_allclose(new.photon_std, table[:, 5], rtol=1e-3)
    voxels = golden(folder, flag)
    np.testing.assert_allclose(new.intensity, voxels, atol=1e-4 * voxels.max())  # demanded: 1e-3


def test_flags_from_the_reference_state(folder, exact):
    engine, active = reference.engine(exact), everything(exact)
    intensity, phi = start(folder)
    new, searched = engine.intensity_flag(intensity, phi, active)
    check_probabilities(folder, 1, exact, searched)
    check_intensity(folder, 1, new)
    scale, mean, searched = engine.phi_flag(golden(folder, 1), phi, phi, active)
    check_probabilities(folder, 2, exact, searched)
    np.testing.assert_allclose(scale, golden(folder, 2), rtol=1e-4)
    new, searched = engine.intensity_flag(golden(folder, 1) * mean, golden(folder, 2), active)
    check_probabilities(folder, 3, exact, searched)
    check_intensity(folder, 3, new)


def iterate(folder, task, flags):
    """State and probabilities after each flag."""
    engine, active = reference.engine(task), everything(task)
    intensity, first = start(folder)
    phi = first
    for flag in range(1, flags + 1):
        if flag % 2:
            new, searched = engine.intensity_flag(intensity, phi, active)
            intensity = new.intensity
            yield flag, intensity, searched
        else:
            phi, mean, searched = engine.phi_flag(intensity, phi, first, active)
            intensity = intensity * mean
            yield flag, phi, searched


def test_chained_flags_with_shared_likelihoods(folder, tmp_path):
    task = reference.task(folder, tmp_path, REFERENCE, single=False)
    quaternions = reference.samples(reference.NUM_DIV)[0]
    for flag, state, searched in iterate(folder, task, 6):
        wanted = golden(folder, flag)
        if flag % 2:
            state, wanted = task.model.sums(state), task.model.sums(wanted)
        assert np.corrcoef(state, wanted)[0, 1] > 1 - 1e-6  # demanded: 0.9999 and, for phi, 0.999
        best = task.work.number[searched.assignment.rotation[searched.assignment.first[:-1]]]
        theirs = [rotation[0] for rotation, _ in reference.high_p(folder, f"{reference.LOW}/iter_flag-{flag}")]
        # The first of equal images under the symmetry of the samples is a matter of rounding.
        turned = misorientation(quaternions[best], quaternions[theirs], _proper(task))
        assert np.mean(turned < 1e-6) >= 0.98


def _proper(task):
    matrices = task.model.same.operators
    return quaternions_of(matrices[np.linalg.det(matrices) > 0])


def test_against_the_truth(folder, tmp_path):
    truth = np.load(folder / "truth.npz")
    task = reference.task(folder, tmp_path, OWN, single=False)
    raw = reference.text(folder, "reduce-data/reduced-data_id.dat")[1:, 0].astype(int)
    *_, (_, intensity, searched) = iterate(folder, task, 7)
    hkl = task.model.reflections.hkl
    member = task.model.same.orbit
    true = truth["F2"][tuple((hkl + truth["hm"]).T)]
    merged = [np.bincount(member, values) / np.bincount(member) for values in (task.model.sums(intensity), true)]
    assert np.corrcoef(*merged)[0, 1] >= 0.990
    single = truth["kind"][raw] == 1
    best = task.work.number[searched.assignment.rotation[searched.assignment.first[:-1]]]
    quaternions = reference.samples(reference.NUM_DIV)[0]
    off = np.degrees(misorientation(quaternions[best], truth["quats"][raw, 0], _proper(task)))
    assert np.mean(off[single] < 3) >= 0.91
    assert np.median(off[single]) < 1.75


def test_deviations_are_those_between_halves(folder, tmp_path):
    """rms of (A - B) / sqrt(sA^2 + sB^2); the demand is 0.8 to 1.3, reached is 1.09. Photon noise alone would give 3."""
    found = []
    for half, name in enumerate("AB"):
        task = reference.task(folder, tmp_path, OWN, single=False, half=half)
        engine, active = reference.engine(task), everything(task)
        intensity, first = start(folder)[0], reference.text(folder, f"aux/start-phi-{name}.dat")[:, 0]
        new, _ = engine.intensity_flag(intensity, first, active)
        phi, mean, _ = engine.phi_flag(new.intensity, first, first, active)
        found.append(engine.intensity_flag(new.intensity * mean, phi, active)[0])
    one, other = found
    for std, low, high in (("std", 0.8, 1.3), ("photon_std", 2, 4)):
        ratio = (one.sums - other.sums) / np.hypot(getattr(one, std), getattr(other, std))
        assert low < np.sqrt(np.mean(ratio**2)) < high
    merged = [np.bincount(task.model.same.orbit, new.sums) / np.bincount(task.model.same.orbit) for new in found]
    ratio = (merged[0] - merged[1]) / np.hypot(one.merged_std, other.merged_std)
    assert 0.7 < np.sqrt(np.mean(ratio**2)) < 1.6
