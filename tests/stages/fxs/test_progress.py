"""Progress of reconstruct: lines in a log, bars on a terminal."""

import io
import os
import pty
import re
import sys
import threading

import particle
import pytest

from fxs_hpc.stages.fxs import progress
from fxs_hpc.stages.fxs.phasing_worker import Report


def report(number=0, steps=0, block="main", iteration=1, method="HIO", **end):
    return Report(number, steps, 20, block, iteration, method, 1e-3 / (1 + steps), 1e-3 / (1 + steps), **end)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")])
def test_duration(seconds, text):
    assert progress.duration(seconds) == text


def test_one_line_per_iteration_of_a_block():
    said = []
    lines = progress.Lines(said.append, 2, 20)
    for steps in range(1, 11):
        for number in (0, 1):
            lines.show(report(number, steps, iteration=1 + (steps - 1) // 5, ended_iteration=steps == 5))
    lines.show(report(0, 20, finished=True))
    lines.show(report(1, 11, failure="the error is nan"))
    lines.close()
    assert len(said) == 4
    assert re.search(r"P0.* 20 .*error 4\.762e-05 .*best 4\.762e-05", said[2])
    assert "P1: failed: the error is nan" in said[3]


def test_a_stopping_rule_that_ended_a_run_is_named():
    said = []
    lines = progress.Lines(said.append, 2, 20)
    lines.show(Report(0, 7, 7, "main", 1, "ER", 1e-3, 1e-3, finished=True))
    lines.show(report(1, 20, finished=True))
    assert "P0: ended before step 20 by main_loop.error  step 7 of 7" in said[0] and "P1: done  step 20 of 20" in said[1]


def test_lines_of_a_run(tmp_path, monkeypatch):
    """Each reconstruction: one line per iteration of its three blocks, with step and errors; no control characters."""
    said = []
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    particle.run(particle.make_home(tmp_path), say=said.append)
    for number in (0, 1):
        own = [line for line in said if f"P{number}:" in line]
        assert len(own) == 3
        assert all(re.search(r"step +\d+ of 24 +error \d\.\d+e-\d+ +best \d\.\d+e-\d+", line) for line in own)
    assert not any(character in line for line in said for character in "\r\x1b")
    assert "main: 2x( 6xHIO 1xSW 4xER )" in said[1]


def shown_on_a_terminal(body) -> str:
    """What `body` writes to standard output and error when both are a terminal."""
    main, other = pty.openpty()
    chunks: list[bytes] = []

    def read() -> None:
        while True:
            try:
                chunk = os.read(main, 4096)
            except OSError:
                return
            if not chunk:
                return
            chunks.append(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    saved = sys.stdout, sys.stderr
    try:
        with open(other, "w", encoding="utf-8") as terminal:
            sys.stdout = sys.stderr = terminal
            body()
    finally:
        sys.stdout, sys.stderr = saved
        reader.join(timeout=10)
        os.close(main)
    return b"".join(chunks).decode()


def test_bars_on_a_terminal(tmp_path):
    """Bars are drawn over one another; what stays is one line per reconstruction."""
    home = particle.make_home(tmp_path)
    text = shown_on_a_terminal(lambda: particle.run(home, say=lambda line: print(line), main_loop__sub_loops__main__iterations=12))
    assert "\r" in text
    for number in (0, 1):
        assert len(re.findall(rf"P{number}: error \d\.\d+e-\d+, best", text)) == 1
    assert text.rstrip().endswith("(number 0)") or text.rstrip().endswith("(number 1)")


def test_bars_count_steps_once():
    def body() -> None:
        bars = progress.Bars(3, 20)
        for number in (0, 1):
            bars.show(report(number, 5))
        bars.show(report(0, 20, finished=True))
        bars.show(report(2, 12, block="refinement"))  # resumed in the middle
        bars.show(report(1, 5, failure="the error is nan"))
        bars.show(report(2, 20, finished=True))
        totals.append(bars._all.n)
        bars.close()

    totals: list[float] = []
    text = shown_on_a_terminal(body)
    assert totals == [45]
    assert "P1: failed: the error is nan" in text


@pytest.mark.parametrize("failed_early", [True, False])
def test_bars_of_something_that_never_ran(failed_early):
    def body() -> None:
        bars = progress.Bars(1, 20)
        bars.show(report(0, 0, failure="no process") if failed_early else report(0, 20, finished=True))
        bars.close()

    assert "P0" in shown_on_a_terminal(body)
