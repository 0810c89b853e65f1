"""Submit cal-CC through submitit: python jobs/cal-CC.py [config.ini]

CC1/2 of the halves, resolution, merged intensities as MTZ and CrystFEL list.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:cal-CC]; what is written here wins:
submission.override("cal-CC", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("cal-CC", "cal-CC"):
    print(job.stage, job.role, "is job", job.number)
