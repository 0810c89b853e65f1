"""Unknown matrices as they are stored, and the folder lock."""

import fcntl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.errors import UsageError
from fxs_hpc.files.atomic import remove_leftovers, replacing
from fxs_hpc.files.data_h5 import complex_unknown
from fxs_hpc.files.lock import locked


@given(st.integers(0, 6), st.integers(0, 10**6), st.integers(0, 3))
def test_complex_unknown_is_unitary_and_gives_the_same_coefficients(order, seed, fewer):
    """I_lm = V U, from the real rows (I_l0, sqrt2 Re I_lm, sqrt2 Im I_lm); I_l-m = (-1)^m conj(I_lm)."""
    rng = np.random.default_rng(seed)
    width = 2 * order + 1
    n = max(1, width - fewer)
    unknown = np.linalg.qr(rng.normal(size=(width, width)))[0][:n]
    v = rng.normal(size=(5, n))
    rows = v @ unknown
    u = complex_unknown(unknown)
    np.testing.assert_allclose(u @ u.conj().T, np.eye(width), atol=1e-12)
    coefficients = v @ u[:n]
    np.testing.assert_allclose(coefficients[:, order], rows[:, 0], atol=1e-12)
    for m in range(1, order + 1):
        expected = (rows[:, m] + 1j * rows[:, order + m]) / np.sqrt(2)
        np.testing.assert_allclose(coefficients[:, order + m], expected, atol=1e-12)
        np.testing.assert_allclose(coefficients[:, order - m], (-1) ** m * expected.conj(), atol=1e-12)
    np.testing.assert_allclose(np.sum(np.abs(coefficients) ** 2, axis=1), np.sum(rows**2, axis=1))


def test_lock_is_exclusive_and_let_go(tmp_path):
    with locked(tmp_path / "run"):
        message = r"run: another process is writing there \(host .*, process \d+, since .*\)"
        with pytest.raises(UsageError, match=message), locked(tmp_path / "run"):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(tmp_path / "run"):
        pass


def test_a_lock_file_left_behind_does_not_block(tmp_path):
    (tmp_path / ".lock").write_text("host gone, process 1, since long ago\n")
    with locked(tmp_path), (tmp_path / ".lock").open() as stream:
        assert "gone" not in stream.read()
        with pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.h5"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "vtk").mkdir()
    kept = [tmp_path / "data.h5", tmp_path / ".lock", tmp_path / "vtk/real_0.vts", tmp_path / "notes.tmp"]
    for path in (*kept, tmp_path / ".data.12.tmp.h5", tmp_path / "vtk/.real_0.12.tmp.vts"):
        path.touch()
    remove_leftovers(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
