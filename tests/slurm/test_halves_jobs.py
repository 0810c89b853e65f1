"""Both halves of the frames on the grid as one job of SLURM that goes back into the queue when its time is up."""

import json
import sys
from pathlib import Path

import pytest
from console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "stages" / "emc"))
import small_crystal_run
from small_run import context

from fxs_hpc.stages.emc import cal_cc, grid_halves, refine_orientations

pytestmark = pytest.mark.slurm
ENDLESS = 100_000


def set_keys(home: Path, iterations: int, minutes: int) -> None:
    keys = f"[resolution]\nresolution_method = grid\nrefine_rounds = 1\n[slurm]\nntasks = 2\ncpus = 1\nmem = 2G\ntime = {minutes}\n"
    text = small_crystal_run.CONFIG.replace("low_res_iterations = 2", f"low_res_iterations = {iterations}")
    (home / "config.ini").write_text(text + keys)


def finished(home: Path) -> list[str]:
    path = home / grid_halves.NOTES
    return json.loads(path.read_text())["finished"] if path.exists() else []


def test_halves_go_on_from_the_queue_to_their_end(tmp_path, slurm):
    small_crystal_run.make(tmp_path)
    set_keys(tmp_path, ENDLESS, 1)
    refine_orientations.run(context(tmp_path), 1)
    cal_cc.run(context(tmp_path))
    call = Console(tmp_path, slurm)
    assert "resolution: job" in call("submit", "emc", "--from", "resolution")

    def continued() -> bool:
        logs = call.logs()
        return "back in the queue" in logs and "continuing after flag" in logs

    call.wait_until("the second start of the job", continued, longest=200)
    assert finished(tmp_path) == ["split-data"]
    call("cancel")
    call.wait()
    made = max(int(path.name[10:]) for path in (tmp_path / "Data/high-prob").glob("iter_flag-*")) // 2
    set_keys(tmp_path, made + 1, 10)
    call("resume")
    call.wait_until("half B", lambda: "B low-res-emc" in finished(tmp_path) or not call.queue(), longest=200)
    call.wait(200)
    assert call.states("emc")["resolution"] == "done", call("status")
    assert finished(tmp_path)[-1] == "cal-CC" and (tmp_path / "cal-CC/shells.csv").exists()
    assert "Traceback" not in call.logs()
