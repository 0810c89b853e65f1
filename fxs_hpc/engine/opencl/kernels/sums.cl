/* Volume integrals of the partial sums over `shells` shells, always added in the same order: result[missed, total]. One group a member. */
__kernel void sum_up(
    __global const REAL* partial, __global const ACC* ring_weights, __global const ACC* shell_weights, const int shells,
    __global ACC* result, __global const int* members)
{
    __local ACC sums[2][SUM_ITEMS];
    __global const int* member = MEMBER_AT(1);
    __global const REAL* rows = OF(partial, 2 * HALF * R);
    const int item = get_local_id(0);
    ACC missed = 0, total = 0;
    for (int r = item; r < shells; r += SUM_ITEMS) {
        ACC shell_missed = 0, shell_total = 0;
        for (int j = 0; j < HALF; j++) {
            shell_missed += ring_weights[j] * rows[2 * j * R + r];
            shell_total += ring_weights[j] * rows[(2 * j + 1) * R + r];
        }
        missed += shell_weights[r] * shell_missed;
        total += shell_weights[r] * shell_total;
    }
    sums[0][item] = missed;
    sums[1][item] = total;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0) {
        for (int other = 1; other < SUM_ITEMS; other++) {
            missed += sums[0][other];
            total += sums[1][other];
        }
        result[2 * get_group_id(1)] = missed;
        result[2 * get_group_id(1) + 1] = total;
    }
}

/* Means over the angles of sums along phi: partial[ring, projected or reflected, component, r] -> means[the same but the ring]. */
__kernel void mean_shells(
    __global const REAL* partial, __global const ACC* ring_weights, const ACC share, const int shells, __global REAL* means,
    __global const int* members)
{
    __global const int* member = MEMBER_AT(1);
    for (int place = get_local_id(0); place < 2 * PARTS * shells; place += SUM_ITEMS) {
        const int at = place / shells * R + place % shells;
        ACC sum = 0;
        for (int j = 0; j < HALF; j++)
            sum += ring_weights[j] * OF(partial, INNER_MEANS * HALF)[j * INNER_MEANS + at];
        OF(means, INNER_MEANS)[at] = share * sum;
    }
}
