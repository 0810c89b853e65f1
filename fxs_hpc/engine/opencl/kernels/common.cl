/* Types and access shared by all kernels. Set by the host: REAL, V (WIDTH numbers of neighbouring shells), MASK (what comparing two V
   gives), BYTES (WIDTH bytes), TO_MASK, ACC (type of sums), sizes, and SYNC (a barrier where a group has several work items).

   Layout as in engine/azimuth.py: grid fields [component, hemisphere or parity, theta, phi, r], azimuthal spectra
   [component, parity, theta, m, re/im, r], coefficients [component, m, l, re/im, r], R shells stored. Every buffer of a reconstruction
   holds one such array after another, one for each member of the batch; `members` has for each member at work its number and the slots
   of the density it reads, of that it writes, and of its support. */

#define LOAD(pointer) (*(__global const V*)(pointer))
#define STORE(value, pointer) (*(__global V*)(pointer) = (value))
#define LOAD_BYTES(pointer) (*(__global const BYTES*)(pointer))

#define MEMBER_AT(id) (members + 4 * get_group_id(id))
#define OF(buffer, size) ((buffer) + (size_t)member[0] * (size))
#define SOURCE(buffer) ((buffer) + (2 * (size_t)member[0] + member[1]) * FIELD)
#define TARGET(buffer) ((buffer) + (2 * (size_t)member[0] + member[2]) * FIELD)
#define SUPPORT(buffer) ((buffer) + (2 * (size_t)member[0] + member[3]) * VOXELS)

#define VOXELS (SIDES * HALF * LENGTH * R)
#define FIELD (PARTS * VOXELS)
#define ROW (LENGTH * R)
#define FROZEN (PARTS * HALF * LENGTH * R)
#define SPECTRUM_ROW (COUNT * 2 * R)
#define SPECTRUM (PARTS * 2 * HALF * SPECTRUM_ROW)
#define INTENSITY_ROW (INTENSITY_COUNT * 2 * R)
#define INTENSITY_SPECTRUM (PARTS * HALF * INTENSITY_ROW)
#define COEFFICIENTS (PARTS * COUNT * (COUNT | 1) * 2 * R)
#define INTENSITY_COEFFICIENTS (INTENSITY_COUNT * (INTENSITY_COUNT | 1) * 2 * R)

/* A group transforms LANES = WIDTH * ITEMS_R shells of one ring; its work items share the azimuths. Scratch: tiles of LENGTH * LANES
   numbers, tiles 0, 1 and 2, 3 the real and imaginary parts X, Y of the transform, RE and IM where it leaves its result. */
#define AT(tile, k) work[((tile) * LENGTH + (k)) * ITEMS_R + lane]
#define EACH(k, count) for (int k = item; k < (count); k += ITEMS_PHI)
#define HERE \
    const int lane = get_local_id(0) % ITEMS_R, item = get_local_id(0) / ITEMS_R; \
    const int r = (get_group_id(0) * ITEMS_R + lane) * WIDTH; \
    const int row = get_group_id(1); \
    __global const int* member = MEMBER_AT(2)
