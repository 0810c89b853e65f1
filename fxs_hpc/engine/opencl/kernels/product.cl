/* One register tile of C = A B: TM rows by TN columns of vectors, `step` vectors apart. A has any strides, B and C unit stride along the
   columns; rows, cols (a multiple of the vector) and depth say what there is: what lies beyond is computed twice, not written. */
inline void NAME_tile(
    __global const TYPE* a, const int row_stride, const int depth_stride, __global const TYPE* b, const int b_stride, __global TYPE* c,
    const int c_stride, const int rows, const int cols, const int depth, const int step, const int lane)
{
    VECTOR sum[NAME_TM][NAME_TN];
    int column[NAME_TN];
    __global const TYPE* left[NAME_TM];
    #pragma unroll
    for (int j = 0; j < NAME_TN; j++)
        column[j] = min((j * step + lane) * NAME_WIDTH, cols - NAME_WIDTH);
    #pragma unroll
    for (int i = 0; i < NAME_TM; i++) {
        left[i] = a + min(i, rows - 1) * row_stride;
        #pragma unroll
        for (int j = 0; j < NAME_TN; j++)
            sum[i][j] = (VECTOR)(0);
    }
    for (int k = 0; k < depth; k++) {
        VECTOR right[NAME_TN];
        #pragma unroll
        for (int j = 0; j < NAME_TN; j++)
            right[j] = *(__global const VECTOR*)(b + k * b_stride + column[j]);
        #pragma unroll
        for (int i = 0; i < NAME_TM; i++) {
            const VECTOR factor = (VECTOR)(left[i][k * depth_stride]);
            #pragma unroll
            for (int j = 0; j < NAME_TN; j++)
                sum[i][j] = fma(factor, right[j], sum[i][j]);
        }
    }
    #pragma unroll
    for (int i = 0; i < NAME_TM; i++) {
        #pragma unroll
        for (int j = 0; j < NAME_TN; j++)
            if (i < rows && (j * step + lane) * NAME_WIDTH < cols)
                *(__global VECTOR*)(c + i * c_stride + column[j]) = sum[i][j];
    }
}
