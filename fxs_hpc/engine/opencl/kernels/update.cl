/* Back on the grid: constraints of real space and the ER / HIO / RAAR update; the formulas are those of engine/update.py. */

#define INSIDE_SUPPORT 1
#define INSIDE_INITIAL_SUPPORT 2

typedef struct { REAL lower, upper, largest_imag, beta; int raar, by_support, by_value, by_imag; } Rules;

#if PARTS == 1
/* One voxel: old, value -> new; adds to the sums over the initial support. */
inline V updated(const V old, const V value, const MASK bits, const Rules rules, V* missed_sum, V* total_sum)
{
    const V zero = (V)(0), lower = (V)(rules.lower), upper = (V)(rules.upper);
    const MASK counted = (bits & INSIDE_INITIAL_SUPPORT) != 0, inside = (bits & INSIDE_SUPPORT) != 0;
    const V kept = inside ? value : zero;
    const V projected = min(max(kept, lower), upper);
    const V missed = value - projected;
    const V error = counted ? missed : zero, weight = counted ? value : zero;
    *missed_sum += error * error;
    *total_sum += weight * weight;
    if (rules.raar) {
        const V reflected = inside ? 2 * value - old : zero;
        return rules.beta * (min(max(reflected, lower), upper) + old) + (1 - 2 * rules.beta) * value;
    }
    const MASK none = bits & 0;
    const MASK feedback = ((none != rules.by_support) & (inside == 0)) | ((none != rules.by_value) & (projected != kept));
    return feedback ? old - rules.beta * missed : projected;
}
#else
inline void projection(const V re, const V im, const MASK inside, const Rules rules, V* kept_re, V* kept_im, V* p_re, V* p_im)
{
    const V zero = (V)(0);
    *kept_re = inside ? re : zero;
    *kept_im = inside ? im : zero;
    *p_re = min(max(*kept_re, (V)(rules.lower)), (V)(rules.upper));
    *p_im = fabs(*kept_im) < (V)(rules.largest_imag) ? *kept_im : zero;
}

inline void updated(
    const V old_re, const V old_im, const V re, const V im, const MASK bits, const Rules rules, V* new_re, V* new_im, V* missed_sum, V* total_sum)
{
    const V zero = (V)(0);
    const MASK counted = (bits & INSIDE_INITIAL_SUPPORT) != 0, inside = (bits & INSIDE_SUPPORT) != 0;
    V kept_re, kept_im, p_re, p_im;
    projection(re, im, inside, rules, &kept_re, &kept_im, &p_re, &p_im);
    const V miss_re = re - p_re, miss_im = im - p_im;
    *missed_sum += counted ? miss_re * miss_re + miss_im * miss_im : zero;
    *total_sum += counted ? re * re + im * im : zero;
    if (rules.raar) {
        V q_re, q_im, unused_re, unused_im;
        projection(2 * re - old_re, 2 * im - old_im, inside, rules, &unused_re, &unused_im, &q_re, &q_im);
        const REAL rest = 1 - 2 * rules.beta;
        *new_re = rules.beta * (q_re + old_re) + rest * re;
        *new_im = rules.beta * (q_im + old_im) + rest * im;
        return;
    }
    const MASK none = bits & 0;
    const MASK feedback = ((none != rules.by_support) & (inside == 0)) | ((none != rules.by_value) & (p_re != kept_re))
        | ((none != rules.by_imag) & (p_im != kept_im));
    *new_re = feedback ? old_re - rules.beta * miss_re : p_re;
    *new_im = feedback ? old_im - rules.beta * miss_im : p_im;
}
#endif

/* Spectra of the change + carry * old -> new density; partial[ring, missed or total, r] are sums along phi of both hemispheres. */
__kernel GROUP void update(
    __global const REAL* spectra, __global REAL* densities, __global const uchar* masks, __global const REAL* carry, const Rules rules,
    __global REAL* partial, __global const int* members)
{
    __local V work[(PARTS == 2 ? 6 : 4) * LENGTH * ITEMS_R];
    __local V sums[2 * ITEMS_PHI * ITEMS_R];
    HERE;
    const V scale = LOAD(carry + r);
    __global const REAL* even = OF(spectra, SPECTRUM) + row * SPECTRUM_ROW + r;
    __global const REAL* old = SOURCE(densities) + row * ROW + r;
    __global REAL* new = TARGET(densities) + row * ROW + r;
    __global const uchar* mask = OF(masks, VOXELS) + row * ROW + r;
    V missed = (V)(0), total = (V)(0);
    load_pair(work, lane, item, even, even + HALF * SPECTRUM_ROW, COUNT);
    fft(work, lane, item);
#if PARTS == 2
    EACH(k, LENGTH) {
        AT(4, k) = AT(IM, k);
        AT(5, k) = AT(RE, k);
    }
    SYNC;
    even += 2 * HALF * SPECTRUM_ROW;
    load_pair(work, lane, item, even, even + HALF * SPECTRUM_ROW, COUNT);
    fft(work, lane, item);
#endif
    EACH(k, LENGTH) {
        for (int south = 0; south < 2; south++) {
            const int place = (south * HALF * LENGTH + k) * R;
            const MASK bits = TO_MASK(LOAD_BYTES(mask + place));
            const V before = LOAD(old + place);
            const REAL sign = 1 - 2 * south;
#if PARTS == 2
            const V before_im = LOAD(old + VOXELS + place);
            const V re = scale * before + AT(4, k) + sign * AT(5, k), im = scale * before_im + AT(IM, k) + sign * AT(RE, k);
            V after, after_im;
            updated(before, before_im, re, im, bits, rules, &after, &after_im, &missed, &total);
            STORE(after, new + place);
            STORE(after_im, new + VOXELS + place);
#else
            const V value = scale * before + AT(IM, k) + sign * AT(RE, k);
            STORE(updated(before, value, bits, rules, &missed, &total), new + place);
#endif
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
