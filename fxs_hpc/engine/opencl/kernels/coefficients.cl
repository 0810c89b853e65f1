/* Coefficients [m, l, re/im, r] between the products. Groups: shells, l, member and m. */
#define STRIDE_L (2 * R)
#define COEFFICIENT_HERE(count) \
    const int r = get_global_id(0) * WIDTH, l = get_group_id(1), m = get_group_id(2) % (count); \
    __global const int* member = members + 4 * (get_group_id(2) / (count)); \
    const size_t place = ((size_t)m * ((count) | 1) + l) * STRIDE_L + r; \
    if (m > l || r >= R) return

/* What the projection does to the intensity. change holds V_l U_l; kinds[l]: 0 not projected, 1 by V_l, 2 by the mean intensity. */
__kernel void constrain(
    __global REAL* changes, __global const REAL* coefficients, __global const int* kinds, __global const REAL* known,
    __global const REAL* average, __global const REAL* factors, __global const REAL* open, const int keep, __global const int* members)
{
    COEFFICIENT_HERE(INTENSITY_COUNT);
    __global REAL* change = OF(changes, INTENSITY_COEFFICIENTS) + place;
    __global const REAL* found = OF(coefficients, INTENSITY_COEFFICIENTS) + place;
    const int kind = kinds[l];
    const V share = LOAD(known + l * R + r), opened = LOAD(open + r);
    for (int part = 0; part < 2; part++) {
        const V now = LOAD(found + part * R);
        V value = (V)(0);
        if (part == 0 && kind == 2)
            value = share * (factors[member[0]] * LOAD(average + r) - now);
        else if (kind == 1 && (part == 0 || m > 0))
            value = share * (LOAD(change + part * R) - now);
        STORE((keep ? value : value + now) * opened, change + part * R);
    }
}

/* What a frozen intensity changes. */
__kernel void constrain_to_frozen(
    __global REAL* changes, __global const REAL* coefficients, __global const REAL* frozen, __global const REAL* open, const int keep,
    __global const int* members)
{
    COEFFICIENT_HERE(INTENSITY_COUNT);
    for (int part = 0; part < 2; part++) {
        const V now = LOAD(OF(coefficients, INTENSITY_COEFFICIENTS) + place + part * R);
        const V goal = LOAD(OF(frozen, INTENSITY_COEFFICIENTS) + place + part * R);
        STORE((keep ? goal - now : goal) * LOAD(open + r), OF(changes, INTENSITY_COEFFICIENTS) + place + part * R);
    }
}

/* target = scale(r) * source, amplitude's coefficients. */
__kernel void scale_shells(__global const REAL* sources, __global const REAL* scale, __global REAL* targets, __global const int* members)
{
    COEFFICIENT_HERE(COUNT);
    const V factor = LOAD(scale + r);
    for (int c = 0; c < PARTS; c++) {
        const size_t at = place + (size_t)c * COUNT * (COUNT | 1) * STRIDE_L;
        for (int part = 0; part < 2; part++)
            STORE(factor * LOAD(OF(sources, COEFFICIENTS) + at + part * R), OF(targets, COEFFICIENTS) + at + part * R);
    }
}

/* Adds IFT(A) on the first `inner` shells: columns[l, r, q] is the inverse Hankel matrix of order l, transposed. */
__kernel void add_inner_shells(
    __global const REAL* amplitudes, __global const REAL* columns, const int inner, __global REAL* densities, __global const int* members)
{
    const int l = get_group_id(1), m = get_group_id(2) % COUNT;
    __global const int* member = members + 4 * (get_group_id(2) / COUNT);
    if (m > l)
        return;
    for (int at = get_local_id(0); at < PARTS * 2 * inner; at += get_local_size(0)) {
        const int c = at / (2 * inner), part = at / inner % 2, r = at % inner;
        const size_t line = (((size_t)c * COUNT + m) * (COUNT | 1) + l) * STRIDE_L + part * R;
        __global const REAL* source = OF(amplitudes, COEFFICIENTS) + line;
        __global const REAL* column = columns + ((size_t)l * inner + r) * R;
        REAL sum = 0;
        for (int q = 0; q < R; q++)
            sum += source[q] * column[q];
        OF(densities, COEFFICIENTS)[line + r] += sum;
    }
}
