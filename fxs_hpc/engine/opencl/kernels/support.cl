/* Shrink-wrap: range of the blurred magnitude, new support, and the mask that the update reads. Rows: rings of the half sphere. */

/* Smallest and largest value of max(0, field), first component, per ring and shell: extent[ring, least or greatest, r]. */
__kernel GROUP void extent(__global const REAL* fields, __global REAL* extents, __global const int* members)
{
    HERE;
    __global const REAL* north = OF(fields, FIELD) + row * ROW + r;
    if (item > 0)
        return;
    V least = max(LOAD(north), (V)(0)), greatest = least;
    for (int hemisphere = 0; hemisphere < SIDES; hemisphere++) {
        for (int k = 0; k < LENGTH; k++) {
            const V value = max(LOAD(north + (hemisphere * HALF * LENGTH + k) * R), (V)(0));
            least = min(least, value);
            greatest = max(greatest, value);
        }
    }
    __global REAL* result = OF(extents, 2 * HALF * R) + 2 * row * R + r;
    STORE(least, result);
    STORE(greatest, result + R);
}

/* Range over all rings and the shells of the grid: range[least, greatest] of each member at work. */
__kernel void total_extent(__global const REAL* extents, __global REAL* range, __global const int* members)
{
    __local REAL ends[2][SUM_ITEMS];
    __global const int* member = MEMBER_AT(1);
    __global const REAL* rows = OF(extents, 2 * HALF * R);
    const int item = get_local_id(0);
    REAL least = rows[0], greatest = rows[R];
    for (int r = item; r < SHELLS; r += SUM_ITEMS) {
        for (int j = 0; j < HALF; j++) {
            least = min(least, rows[2 * j * R + r]);
            greatest = max(greatest, rows[(2 * j + 1) * R + r]);
        }
    }
    ends[0][item] = least;
    ends[1][item] = greatest;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0) {
        for (int other = 1; other < SUM_ITEMS; other++) {
            least = min(least, ends[0][other]);
            greatest = max(greatest, ends[1][other]);
        }
        range[2 * get_group_id(1)] = least;
        range[2 * get_group_id(1) + 1] = greatest;
    }
}

/* Support of a member: 1 where max(0, field) reaches the threshold, within the initial support if `confined`. */
__kernel GROUP void cut(
    __global const REAL* fields, __global const REAL* range, const REAL threshold, const int confined, __global const uchar* initials,
    __global uchar* supports, __global const int* members)
{
    HERE;
    const REAL least = range[2 * get_group_id(2)], greatest = range[2 * get_group_id(2) + 1];
    const REAL level = least + threshold * (greatest - least);
    __global const REAL* field = OF(fields, FIELD) + row * ROW + r;
    __global const uchar* initial = OF(initials, VOXELS) + row * ROW + r;
    __global uchar* support = SUPPORT(supports) + row * ROW + r;
    for (int hemisphere = 0; hemisphere < SIDES; hemisphere++)
        EACH(k, LENGTH)
            for (int t = 0; t < WIDTH; t++) {
                const int place = (hemisphere * HALF * LENGTH + k) * R + t;
                const uchar inside = r + t < SHELLS && max(field[place], (REAL)(0)) >= level;
                support[place] = confined ? inside & initial[place] : inside;
            }
}

/* The mask of a member from its supports; touched[ring, r] whether any voxel of it counts. */
__kernel GROUP void mark(
    __global const uchar* supports, __global const uchar* initials, const int use_support, const int count_all, __global uchar* masks, __global uchar* touched,
    __global const int* members)
{
    HERE;
    if (item > 0)
        return;
    __global const uchar* support = SUPPORT(supports) + row * ROW + r;
    __global const uchar* initial = OF(initials, VOXELS) + row * ROW + r;
    __global uchar* mask = OF(masks, VOXELS) + row * ROW + r;
    for (int t = 0; t < WIDTH; t++) {
        uchar any = 0;
        for (int k = 0; k < SIDES * LENGTH; k++) {
            const int place = (k / LENGTH * HALF * LENGTH + k % LENGTH) * R + t;
            const uchar bits = (use_support ? support[place] : 1) * INSIDE_SUPPORT + (count_all ? 1 : initial[place]) * INSIDE_INITIAL_SUPPORT;
            mask[place] = bits;
            any |= bits;
        }
        touched[((size_t)get_group_id(2) * HALF + row) * R + r + t] = any;
    }
}

/* Voxels of the support per ring and shell: counts[ring, now or initial, r]. */
__kernel GROUP void count_support(__global const uchar* supports, __global const uchar* initials, __global REAL* counts, __global const int* members)
{
    HERE;
    if (item > 0)
        return;
    for (int t = 0; t < WIDTH; t++) {
        int now = 0, initial = 0;
        for (int k = 0; k < SIDES * LENGTH; k++) {
            const int place = row * ROW + (k / LENGTH * HALF * LENGTH + k % LENGTH) * R + r + t;
            now += SUPPORT(supports)[place];
            initial += OF(initials, VOXELS)[place];
        }
        __global REAL* result = OF(counts, 2 * HALF * R) + 2 * row * R + r + t;
        result[0] = now;
        result[R] = initial;
    }
}

/* Zero in shells first <= r < stop of the target density. Row: ring of a component. */
__kernel void clear_shells(__global REAL* densities, const int first, const int stop, __global const int* members)
{
    __global const int* member = MEMBER_AT(2);
    const int c = get_group_id(1) / HALF, j = get_group_id(1) % HALF;
    __global REAL* ring = TARGET(densities) + c * VOXELS + j * ROW;
    for (int hemisphere = 0; hemisphere < SIDES; hemisphere++)
        for (int k = get_local_id(0); k < LENGTH; k += get_local_size(0))
            for (int r = first; r < stop; r++)
                ring[(hemisphere * HALF * LENGTH + k) * R + r] = 0;
}
