/* How far the intensity of the last step is from the invariants (engine/procrustes.py, `errors`). */

/* Per order: sums over m and shells of |I' - I|^2 and |I'|^2 times q^2 dq, doubled for m > 0. One group for each order and member. */
__kernel void lengths(
    __global const REAL* changes, __global const REAL* coefficients, __global const REAL* open, __global const ACC* q_weights, const int keep,
    __global ACC* result, __global const int* members)
{
    __local ACC sums[2][SUM_ITEMS];
    __global const int* member = MEMBER_AT(1);
    const int l = get_group_id(0), item = get_local_id(0);
    __global const REAL* change = OF(changes, INTENSITY_COEFFICIENTS);
    __global const REAL* found = OF(coefficients, INTENSITY_COEFFICIENTS);
    ACC missed = 0, total = 0;
    for (int m = 0; m <= l; m++) {
        const size_t place = ((size_t)m * (INTENSITY_COUNT | 1) + l) * STRIDE_L;
        for (int part = 0; part < 2; part++) {
            for (int q = item; q < SHELLS; q += SUM_ITEMS) {
                const ACC now = found[place + part * R + q];
                const ACC difference = change[place + part * R + q] - (keep ? 0 : now * open[q]);
                const ACC weight = (m > 0 ? 2 : 1) * q_weights[q];
                missed += weight * difference * difference;
                total += weight * (now + difference) * (now + difference);
            }
        }
    }
    sums[0][item] = missed;
    sums[1][item] = total;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0) {
        for (int other = 1; other < SUM_ITEMS; other++) {
            missed += sums[0][other];
            total += sums[1][other];
        }
        result[2 * (get_group_id(1) * INTENSITY_COUNT + l)] = missed;
        result[2 * (get_group_id(1) * INTENSITY_COUNT + l) + 1] = total;
    }
}

/* sum over q2 of known (V V^T - B)^2 for one order and q1; factors: V^T (columns, R) of all orders; table: l, columns, offset. */
__kernel void invariant_rows(
    __global const REAL* coefficients, __global const REAL* factors, __global const int* table, __global const REAL* known,
    __global ACC* result, __global const int* members)
{
    __local ACC sums[SUM_ITEMS];
    __global const int* member = MEMBER_AT(2);
    const int q1 = get_group_id(0), item = get_local_id(0);
    const int l = table[3 * get_group_id(1)], columns = table[3 * get_group_id(1) + 1];
    __global const REAL* factor = factors + table[3 * get_group_id(1) + 2];
    __global const REAL* found = OF(coefficients, INTENSITY_COEFFICIENTS) + l * STRIDE_L;
    ACC sum = 0;
    for (int q2 = item; q2 < SHELLS; q2 += SUM_ITEMS) {
        ACC expected = 0, now = (ACC)found[q1] * found[q2];
        for (int j = 0; j < columns; j++)
            expected += (ACC)factor[j * R + q1] * factor[j * R + q2];
        for (int m = 1; m <= l; m++) {
            __global const REAL* line = found + (size_t)m * (INTENSITY_COUNT | 1) * STRIDE_L;
            now += 2 * ((ACC)line[q1] * line[q2] + (ACC)line[R + q1] * line[R + q2]);
        }
        const ACC difference = expected - now;
        sum += known[l * R + q1] * known[l * R + q2] * difference * difference;
    }
    sums[item] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0) {
        for (int other = 1; other < SUM_ITEMS; other++)
            sum += sums[other];
        result[(get_group_id(2) * get_num_groups(1) + get_group_id(1)) * SHELLS + q1] = sum;
    }
}

/* From the parts: |I' - I|^2, |I'|^2, and the sum over orders of |V V^T - B|^2 / |V V^T|^2. One item for each member. */
__kernel void invariant_errors(
    __global const ACC* lengths, const int highest, __global const ACC* rows, __global const ACC* shares, const int orders,
    __global ACC* result)
{
    const int id = get_global_id(0);
    ACC missed = 0, total = 0, share = 0;
    for (int l = 0; l <= highest; l++) {
        missed += lengths[2 * (id * INTENSITY_COUNT + l)];
        total += lengths[2 * (id * INTENSITY_COUNT + l) + 1];
    }
    for (int order = 0; order < orders; order++) {
        ACC sum = 0;
        for (int q1 = 0; q1 < SHELLS; q1++)
            sum += rows[(id * orders + order) * SHELLS + q1];
        share += shares[order] * sum;
    }
    result[3 * id] = missed;
    result[3 * id + 1] = total;
    result[3 * id + 2] = share;
}
