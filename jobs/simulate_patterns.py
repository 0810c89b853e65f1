"""Submit simulate_patterns through submitit: python jobs/simulate_patterns.py [config.ini]

make scattering patterns of particles in random orientations, and their truth
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("fxs", config)
# What the job asks for is in config.ini, [slurm] and [slurm:simulate_patterns]; what is written here wins:
submission.override("simulate_patterns", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("simulate_patterns", "simulate_patterns"):
    print(job.stage, job.role, "is job", job.number)
