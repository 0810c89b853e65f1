/* The plane: a field is a pair of real fields at POINTS points of each ring (see engine/opencl/plane_constants.py). A ring of the kernels
   is a run of LENGTH of these points. */

#define POINTS (HALF * LENGTH)
#define PAIR (2 * POINTS * R)
#define SECOND (POINTS * R)
#define GRID (POINTS * R)
#define INTENSITY (INTENSITY_ROWS * 2 * R)

/* Densities (or their magnitudes) -> pairs: even and odd part of a real one, real and imaginary part of a complex one. */
__kernel GROUP void analyse_density(__global const REAL* densities, const int magnitude, __global REAL* pairs, __global const int* members)
{
    HERE;
    __global const REAL* source = SOURCE(densities) + row * ROW + r;
    __global REAL* pair = OF(pairs, PAIR) + row * ROW + r;
    EACH(k, LENGTH) {
        V a = LOAD(source + k * R), b = LOAD(source + SECOND + k * R);
#if PARTS == 2
        if (magnitude) {
            a = hypot(a, b);
            b = (V)(0);
        }
        STORE(a, pair + k * R);
        STORE(b, pair + SECOND + k * R);
#else
        if (magnitude) {
            a = fabs(a);
            b = fabs(b);
        }
        STORE((REAL)(0.5) * (a + b), pair + k * R);
        STORE((REAL)(0.5) * (a - b), pair + SECOND + k * R);
#endif
    }
}

/* Pairs -> fields, in `fields` (one a member), or in the target slot. */
__kernel GROUP void synthesise_density(__global const REAL* pairs, __global REAL* fields, const int slots, __global const int* members)
{
    HERE;
    __global const REAL* pair = OF(pairs, PAIR) + row * ROW + r;
    __global REAL* field = (slots ? TARGET(fields) : OF(fields, FIELD)) + row * ROW + r;
    EACH(k, LENGTH) {
        const V a = LOAD(pair + k * R), b = LOAD(pair + SECOND + k * R);
        STORE(PARTS == 2 ? a : a + b, field + k * R);
        STORE(PARTS == 2 ? b : a - b, field + SECOND + k * R);
    }
}

/* F -> |F|^2. */
__kernel GROUP void intensity(__global const REAL* pairs, __global REAL* intensities, __global const int* members)
{
    HERE;
    __global const REAL* pair = OF(pairs, PAIR) + row * ROW + r;
    __global REAL* result = OF(intensities, GRID) + row * ROW + r;
    EACH(k, LENGTH) {
        const V a = LOAD(pair + k * R), b = LOAD(pair + SECOND + k * R);
        STORE(a * a + b * b, result + k * R);
    }
}

/* One order of an intensity: phase factor closest to I_n, and what I_n = V_n u_n changes. Groups: order, member. vectors[n, re/im, r] */
__kernel void constrain(
    __global REAL* changes, __global const REAL* coefficients, __global const REAL* vectors, __global const REAL* known,
    __global const REAL* weights, __global const int* unfitted, __global const REAL* factors, __global const REAL* open, const int keep,
    __global const int* members)
{
    __local ACC sums[2][SUM_ITEMS];
    __global const int* member = MEMBER_AT(1);
    const int n = get_group_id(0), item = get_local_id(0);
    __global const REAL* found = OF(coefficients, INTENSITY) + n * 2 * R;
    __global REAL* change = OF(changes, INTENSITY) + n * 2 * R;
    __global const REAL* v = vectors + n * 2 * R;
    ACC re = 0, im = 0;
    for (int q = item; q < SHELLS; q += SUM_ITEMS) {
        const ACC weight = (ACC)weights[q] * known[n * R + q] * open[q];
        const ACC a = found[q], b = found[R + q], c = v[q], d = v[R + q];
        re += weight * (c * a + d * b);
        im += weight * (c * b - d * a);
    }
    sums[0][item] = re;
    sums[1][item] = im;
    barrier(CLK_LOCAL_MEM_FENCE);
    re = im = 0;
    for (int other = 0; other < SUM_ITEMS; other++) {
        re += sums[0][other];
        im += sums[1][other];
    }
    const ACC modulus = hypot(re, im);
    const int fixed = unfitted[n] || !(modulus > 0);
    const REAL factor = n == 0 ? factors[member[0]] : 1;
    const REAL u_re = fixed ? factor : re / modulus, u_im = fixed ? 0 : im / modulus;
    for (int q = item * WIDTH; q < R; q += SUM_ITEMS * WIDTH) {
        const V a = LOAD(found + q), b = LOAD(found + R + q), c = LOAD(v + q), d = LOAD(v + R + q);
        const V opened = LOAD(open + q), share = opened * LOAD(known + n * R + q);
        const V to_re = share * (u_re * c - u_im * d - a), to_im = share * (u_re * d + u_im * c - b);
        STORE(keep ? to_re : (to_re + a) * opened, change + q);
        STORE(keep ? to_im : (to_im + b) * opened, change + R + q);
    }
}

/* What a frozen intensity changes. Groups: shells, order and re/im, member. */
__kernel void constrain_to_frozen(
    __global REAL* changes, __global const REAL* coefficients, __global const REAL* frozen, __global const REAL* open, const int keep,
    __global const int* members)
{
    __global const int* member = MEMBER_AT(2);
    const int r = get_global_id(0) * WIDTH, place = get_group_id(1) * R + r;
    const V now = LOAD(OF(coefficients, INTENSITY) + place), goal = LOAD(OF(frozen, INTENSITY) + place);
    STORE((keep ? goal - now : goal) * LOAD(open + r), OF(changes, INTENSITY) + place);
}

/* The modulus constraint: F -> (sqrt(I'/I) - carry) F. If `is_frozen`, the changes are a frozen intensity, imposed where `keep` is 0. */
__kernel GROUP void modulus(
    __global const REAL* changes, const int is_frozen, __global const REAL* amplitudes, __global const REAL* keep, const REAL carry,
    __global REAL* pairs, __global const int* members)
{
    HERE;
    __global const REAL* change = OF(changes, GRID) + row * ROW + r;
    __global const REAL* amplitude = OF(amplitudes, PAIR) + row * ROW + r;
    __global REAL* pair = OF(pairs, PAIR) + row * ROW + r;
    const V kept = LOAD(keep + r), share = is_frozen ? 1 - kept : (V)(1);
    EACH(k, LENGTH) {
        const V a = LOAD(amplitude + k * R), b = LOAD(amplitude + SECOND + k * R);
        const V factor = gain(a * a + b * b, share * LOAD(change + k * R), kept, carry);
        STORE(factor * a, pair + k * R);
        STORE(factor * b, pair + SECOND + k * R);
    }
}

/* I', no larger than the modulus constraint's largest gain allows. */
__kernel GROUP void freeze(
    __global const REAL* changes, __global const REAL* amplitudes, __global const REAL* keep, __global REAL* frozen, __global const int* members)
{
    HERE;
    __global const REAL* change = OF(changes, GRID) + row * ROW + r;
    __global const REAL* amplitude = OF(amplitudes, PAIR) + row * ROW + r;
    __global REAL* result = OF(frozen, GRID) + row * ROW + r;
    const V kept = LOAD(keep + r);
    EACH(k, LENGTH) {
        const V a = LOAD(amplitude + k * R), b = LOAD(amplitude + SECOND + k * R), found = a * a + b * b;
        STORE(min(max(kept * found + LOAD(change + k * R), (V)(0)), (REAL)(LARGEST_GAIN_SQUARED) * found), result + k * R);
    }
}

/* target = scale(r) * source, coefficients of the amplitude. Groups: shells, order and re/im, member. `count` members in all. */
__kernel void scale_shells(
    __global const REAL* sources, __global const REAL* scale, __global REAL* targets, const int count, __global const int* members)
{
    const int r = get_global_id(0) * WIDTH;
    const size_t place = ((size_t)get_group_id(1) * count + MEMBER_AT(2)[0]) * R + r;
    STORE(LOAD(scale + r) * LOAD(sources + place), targets + place);
}

/* Adds IFT(A) on the first `inner` rings: columns[m, r, q] is the inverse Hankel matrix of order m, transposed. Groups: -, order, member. */
__kernel void add_inner_shells(
    __global const REAL* amplitudes, __global const REAL* columns, __global const int* degrees, const int inner, __global REAL* densities,
    const int count, __global const int* members)
{
    const int n = get_group_id(1);
    for (int at = get_local_id(0); at < 2 * inner; at += get_local_size(0)) {
        const size_t line = (((size_t)n * 2 + at / inner) * count + MEMBER_AT(2)[0]) * R;
        __global const REAL* column = columns + ((size_t)degrees[n] * inner + at % inner) * R;
        REAL sum = 0;
        for (int q = 0; q < R; q++)
            sum += amplitudes[line + q] * column[q];
        densities[line + at % inner] += sum;
    }
}

/* rho' at a point: of the density before and the pair that is added to it. */
#if PARTS == 2
#define FOUND(side) \
    const V before = LOAD(old + k * R), before_im = LOAD(old + SECOND + k * R); \
    const V re = scale * before + LOAD(pair + k * R), im = scale * before_im + LOAD(pair + SECOND + k * R)
#else
#define FOUND(side) \
    const V before = LOAD(old + side * SECOND + k * R); \
    const V re = scale * before + LOAD(pair + k * R) + (1 - 2 * side) * LOAD(pair + SECOND + k * R)
#endif

#if AVERAGED > 0
/* Sums along phi of the projected density and of the projected reflected one: partial[run of points, which, component, r]. */
__kernel GROUP void inner_sums(
    __global const REAL* pairs, __global const REAL* densities, __global const uchar* masks, __global const REAL* carry, const Rules rules,
    __global REAL* partial, __global const int* members)
{
    HERE;
    if (item > 0)
        return;
    const V scale = LOAD(carry + r);
    __global const REAL* old = SOURCE(densities) + row * ROW + r;
    __global const REAL* pair = OF(pairs, PAIR) + row * ROW + r;
    __global const uchar* mask = OF(masks, VOXELS) + row * ROW + r;
    V found[2][PARTS];
    for (int c = 0; c < PARTS; c++)
        found[0][c] = found[1][c] = (V)(0);
    for (int k = 0; k < LENGTH; k++) {
        for (int side = 0; side < SIDES; side++) {
            const MASK inside = (TO_MASK(LOAD_BYTES(mask + side * SECOND + k * R)) & INSIDE_SUPPORT) != 0;
            FOUND(side);
            for (int which = 0; which < 2; which++) {
                V unused;
#if PARTS == 2
                V p_re, p_im, unused_im;
                projection(which ? 2 * re - before : re, which ? 2 * im - before_im : im, inside, rules, &unused, &unused_im, &p_re, &p_im);
                found[which][0] += p_re;
                found[which][1] += p_im;
#else
                found[which][0] += projection(which ? 2 * re - before : re, inside, rules, &unused);
#endif
            }
        }
    }
    for (int which = 0; which < 2; which++)
        for (int c = 0; c < PARTS; c++)
            STORE(found[which][c], OF(partial, INNER_MEANS * HALF) + row * INNER_MEANS + (which * PARTS + c) * R + r);
}
#endif

/* Pairs + carry * old -> new density; partial[run of points, missed or total, r] are sums along phi, if WEIGHTED with weights[phi, r]. */
__kernel GROUP void update(
    __global const REAL* pairs, __global REAL* densities, __global const uchar* masks, __global const REAL* carry, const Rules rules,
    __global const REAL* averaged, __global const REAL* inner_means, __global REAL* partial, __global const REAL* weights,
    __global const int* members)
{
    __local V sums[2 * ITEMS_PHI * ITEMS_R];
    HERE;
    const V scale = LOAD(carry + r);
    const Means means = load_means(averaged, OF(inner_means, INNER_MEANS), r);
    __global const REAL* old = SOURCE(densities) + row * ROW + r;
    __global const REAL* pair = OF(pairs, PAIR) + row * ROW + r;
    __global REAL* new = TARGET(densities) + row * ROW + r;
    __global const uchar* mask = OF(masks, VOXELS) + row * ROW + r;
    V missed = (V)(0), total = (V)(0);
    EACH(k, LENGTH) {
        for (int side = 0; side < SIDES; side++) {
            V missed_here = (V)(0), total_here = (V)(0);
            const MASK bits = TO_MASK(LOAD_BYTES(mask + side * SECOND + k * R));
            FOUND(side);
#if PARTS == 2
            V after, after_im;
            updated(before, before_im, re, im, bits, rules, means, &after, &after_im, &missed_here, &total_here);
            STORE(after, new + k * R);
            STORE(after_im, new + SECOND + k * R);
#else
            STORE(updated(before, re, bits, rules, means, &missed_here, &total_here), new + side * SECOND + k * R);
#endif
#if WEIGHTED
            const V weight = LOAD(weights + side * SECOND + row * ROW + k * R + r);
            missed_here *= weight;
            total_here *= weight;
#endif
            missed += missed_here;
            total += total_here;
        }
    }
    sums[item * ITEMS_R + lane] = missed;
    sums[(ITEMS_PHI + item) * ITEMS_R + lane] = total;
    SYNC;
    if (item == 0) {
        for (int other = 1; other < ITEMS_PHI; other++) {
            missed += sums[other * ITEMS_R + lane];
            total += sums[(ITEMS_PHI + other) * ITEMS_R + lane];
        }
        __global REAL* result = OF(partial, 2 * HALF * R) + 2 * row * R + r;
        STORE(missed, result);
        STORE(total, result + R);
    }
}
