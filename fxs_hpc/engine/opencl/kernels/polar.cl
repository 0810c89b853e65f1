/* Orthonormal polar factors of all overlap matrices, one group each, by dynamically weighted Halley iteration
   (Y. Nakatsukasa, N. J. Higham, SIAM J. Sci. Comput. 35, A1325 (2013)):
       X <- (b/c) X + ((a - b/c) / c) X (X^T X + I/c)^-1.
   The weights (see engine/opencl/polar.py) keep I/c well above rounding, so that the inverse exists whatever the matrix; a small multiple
   of the identity is added first, so that directions that the matrix does not hold get some orthonormal completion. */

/* C[rows, width] = A B by all items of a group. */
inline void group_product(
    __global const ACC* a, const int row_stride, const int depth_stride, __global const ACC* b, const int width, __global ACC* c,
    const int rows, const int depth, const int item)
{
    const int across = (width + acc_TN * acc_WIDTH - 1) / (acc_TN * acc_WIDTH), down = (rows + acc_TM - 1) / acc_TM;
    for (int t = item; t < across * down; t += POLAR_ITEMS) {
        const int i = t / across * acc_TM, j = t % across * acc_TN * acc_WIDTH;
        acc_tile(a + i * row_stride, row_stride, depth_stride, b + j, width, c + i * width + j, width, rows - i, width - j, depth, 1, 0);
    }
}

/* The same order on all devices: each item its share, then item by item. */
inline ACC group_sum(const ACC mine, const int largest, __local ACC* shared, const int item)
{
    POLAR_SYNC;
    shared[item] = mine;
    POLAR_SYNC;
    ACC all = shared[0];
    for (int other = 1; other < POLAR_ITEMS; other++)
        all = largest ? max(all, shared[other]) : all + shared[other];
    return all;
}

/* matrices: all overlaps (2l+1, width), replaced by their factors; rows m > 0 are held without the factor sqrt(2) of the basis. */
__kernel POLAR_GROUP void polar_factors(
    __global REAL* matrices, const ulong size, __global ACC* scratch, const ulong scratch_size, __global const int* orders,
    __global const int* members)
{
    __local ACC shared[POLAR_ITEMS];
    __global const int* order = orders + 5 * get_group_id(0);
    __global const int* member = MEMBER_AT(1);
    const int item = get_local_id(0), rows = order[0], columns = order[1], width = order[2];
    __global REAL* matrix = matrices + member[0] * size + order[3];
    __global ACC* x = scratch + member[0] * scratch_size + order[4];
    __global ACC* y = x + rows * width;
    __global ACC* gram = y + rows * width;
    __global ACC* other = gram + width * width;
    const ACC root2 = (ACC)(1.4142135623730951);

    ACC largest = 0, squares = 0;
    for (int i = item; i < rows * width; i += POLAR_ITEMS) {
        x[i] = i < width ? (ACC)matrix[i] : root2 * matrix[i];
        largest = max(largest, fabs(x[i]));
    }
    largest = group_sum(largest, 1, shared, item);
    const ACC to_one = largest > 0 ? 1 / largest : 0;
    for (int i = item; i < rows * width; i += POLAR_ITEMS) {
        x[i] *= to_one;
        squares += x[i] * x[i];
    }
    squares = group_sum(squares, 0, shared, item);
    const ACC to_norm = squares > 0 ? 1 / sqrt(squares) : 0;
    for (int i = item; i < rows * width; i += POLAR_ITEMS)
        x[i] = x[i] * to_norm + (i / width == i % width && i / width < columns ? (ACC)COMPLETION : 0);
    POLAR_SYNC;

    for (int step = 0; step < POLAR_STEPS; step++) {
        const ACC floor_ = polar_weights[3 * step], straight = polar_weights[3 * step + 1], bent = polar_weights[3 * step + 2];
        group_product(x, 1, width, x, width, gram, columns, rows, item);
        POLAR_SYNC;
        for (int i = item; i < columns; i += POLAR_ITEMS)
            gram[i * width + i] += floor_;
        POLAR_SYNC;
        /* gram <- its inverse by sweeps, each from one matrix to the other: a single wait for each, all items busy in all of them. The
           pivots are those of the Cholesky factor, positive in any order. */
        for (int k = 0; k < columns; k++) {
            __global const ACC* line = gram + k * width;
            const ACC share = 1 / max(line[k], floor_);
            for (int i = item / POLAR_LANES; i < columns; i += POLAR_ITEMS / POLAR_LANES) {
                const ACC factor = gram[i * width + k] * share;
                for (int j = item % POLAR_LANES * acc_WIDTH; j < columns; j += POLAR_LANES * acc_WIDTH) {
                    const acc_V above = *(__global const acc_V*)(line + j);
                    __global acc_V* place = (__global acc_V*)(other + i * width + j);
                    *place = i == k ? share * above : *(__global const acc_V*)(gram + i * width + j) - factor * above;
                }
                if (k / acc_WIDTH % POLAR_LANES == item % POLAR_LANES)
                    other[i * width + k] = i == k ? share : -factor;
            }
            POLAR_SYNC;
            __global ACC* swept = other;
            other = gram;
            gram = swept;
        }
        for (int i = item; i < columns * width; i += POLAR_ITEMS)
            gram[i] = bent * gram[i] + (i / width == i % width ? straight : 0);
        POLAR_SYNC;
        group_product(x, width, 1, gram, width, y, rows, columns, item);
        POLAR_SYNC;
        __global ACC* old = x;
        x = y;
        y = old;
    }
    for (int i = item; i < rows * width; i += POLAR_ITEMS)
        matrix[i] = i < width ? x[i] : x[i] / root2;
}
