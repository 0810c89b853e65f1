"""The FFT along phi on the device against NumPy's."""

import numpy as np
import pytest

from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.transform import fft_text

pytestmark = pytest.mark.opencl

_HEAD = """
typedef double REAL;
typedef double{width} V;
#define LENGTH {length}
#define ITEMS_R {items_r}
#define ITEMS_PHI {items_phi}
#define SYNC barrier(CLK_LOCAL_MEM_FENCE)
#define AT(tile, k) work[((tile) * LENGTH + (k)) * ITEMS_R + lane]
"""
_KERNEL = """
__kernel __attribute__((reqd_work_group_size(ITEMS_R * ITEMS_PHI, 1, 1))) void transform(__global V* data)
{
    __local V work[4 * LENGTH * ITEMS_R];
    const int lane = get_local_id(0) % ITEMS_R, item = get_local_id(0) / ITEMS_R;
    for (int k = item; k < LENGTH; k += ITEMS_PHI) {
        AT(0, k) = data[k * ITEMS_R + lane];
        AT(1, k) = data[(LENGTH + k) * ITEMS_R + lane];
    }
    SYNC;
    fft(work, lane, item);
    for (int k = item; k < LENGTH; k += ITEMS_PHI) {
        data[k * ITEMS_R + lane] = AT(RE, k);
        data[(LENGTH + k) * ITEMS_R + lane] = AT(IM, k);
    }
}
"""


@pytest.mark.parametrize(("width", "items_r", "items_phi"), [("8", 1, 1), ("", 4, 8)])
@pytest.mark.parametrize("length", [2, 6, 14, 22, 30, 48, 70, 128, 216, 338])
def test_lengths(device: Device, length: int, width: str, items_r: int, items_phi: int) -> None:
    import pyopencl as cl

    head = _HEAD.format(width=width, length=length, items_r=items_r, items_phi=items_phi)
    context = cl.Context([device.handle])
    queue = cl.CommandQueue(context)
    program = cl.Program(context, head + fft_text(length) + _KERNEL).build()
    lanes = items_r * int(width or 1)
    given = np.random.default_rng(length).normal(size=(2, length, lanes))
    buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=given)
    cl.Kernel(program, "transform")(queue, (items_r * items_phi,), (items_r * items_phi,), buffer)
    found = np.empty_like(given)
    cl.enqueue_copy(queue, found, buffer)
    expected = np.fft.fft(given[0] + 1j * given[1], axis=0)
    np.testing.assert_allclose(found[0] + 1j * found[1], expected, atol=1e-13 * length)
