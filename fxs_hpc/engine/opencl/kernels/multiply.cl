/* A batch of matrix products of any shapes in one launch. Each group takes one entry of `tiles`:
   offsets of A, B, C; strides of the rows of A, B, C; rows, columns, depth. */
__kernel PRODUCT_GROUP void multiply(
    __global const REAL* a, const ulong a_size, __global const REAL* b, const ulong b_size, __global REAL* c, const ulong c_size,
    __global const int* tiles, __global const int* members)
{
    __global const int* tile = tiles + 9 * get_group_id(0);
    __global const int* member = members + 4 * get_group_id(2);
    const int lane = get_local_id(0), rows = tile[6];
    a += member[0] * a_size + tile[0];
    b += member[0] * b_size + tile[1];
    c += member[0] * c_size + tile[2];
    for (int i = get_local_id(1) * real_TM; i < rows; i += real_TM * PRODUCT_ROW_ITEMS)
        real_tile(a + i * tile[3], tile[3], 1, b, tile[4], c + i * tile[5], tile[5], rows - i, tile[7], tile[8], PRODUCT_LANES, lane);
}
