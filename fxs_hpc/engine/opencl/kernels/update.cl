/* Back on the grid: constraints of real space and the update. */

/* Spectra of both components -> even and odd part along a ring: of component 0 in tiles 4, 5 (complex density), of the last in IM, RE. */
inline void synthesise(__local V* work, const int lane, const int item, __global const REAL* even)
{
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
}

#if AVERAGED > 0
/* Sums along phi of the projected density and of the projected reflected one, both hemispheres: partial[ring, which, component, r]. */
__kernel GROUP void inner_sums(
    __global const REAL* spectra, __global const REAL* densities, __global const uchar* masks, __global const REAL* carry, const Rules rules,
    __global REAL* partial, __global const int* members)
{
    __local V work[(PARTS == 2 ? 6 : 4) * LENGTH * ITEMS_R];
    __local V sums[2 * ITEMS_PHI * ITEMS_R];
    HERE;
    const V scale = LOAD(carry + r);
    __global const REAL* old = SOURCE(densities) + row * ROW + r;
    __global const uchar* mask = OF(masks, VOXELS) + row * ROW + r;
    V found[2][PARTS];
    for (int c = 0; c < PARTS; c++)
        found[0][c] = found[1][c] = (V)(0);
    synthesise(work, lane, item, OF(spectra, SPECTRUM) + row * SPECTRUM_ROW + r);
    EACH(k, LENGTH) {
        for (int south = 0; south < 2; south++) {
            const int place = (south * HALF * LENGTH + k) * R;
            const MASK inside = (TO_MASK(LOAD_BYTES(mask + place)) & INSIDE_SUPPORT) != 0;
            const V before = LOAD(old + place);
            const REAL sign = 1 - 2 * south;
            for (int which = 0; which < 2; which++) {
#if PARTS == 2
                const V before_im = LOAD(old + VOXELS + place);
                const V re = scale * before + AT(4, k) + sign * AT(5, k), im = scale * before_im + AT(IM, k) + sign * AT(RE, k);
                V p_re, p_im, unused_re, unused_im;
                projection(
                    which ? 2 * re - before : re, which ? 2 * im - before_im : im, inside, rules, &unused_re, &unused_im, &p_re, &p_im);
                found[which][0] += p_re;
                found[which][1] += p_im;
#else
                const V value = scale * before + AT(IM, k) + sign * AT(RE, k);
                V unused;
                found[which][0] += projection(which ? 2 * value - before : value, inside, rules, &unused);
#endif
            }
        }
    }
    for (int c = 0; c < PARTS; c++) {
        SYNC;
        sums[item * ITEMS_R + lane] = found[0][c];
        sums[(ITEMS_PHI + item) * ITEMS_R + lane] = found[1][c];
        SYNC;
        if (item == 0) {
            for (int which = 0; which < 2; which++) {
                V sum = (V)(0);
                for (int other = 0; other < ITEMS_PHI; other++)
                    sum += sums[(which * ITEMS_PHI + other) * ITEMS_R + lane];
                STORE(sum, OF(partial, INNER_MEANS * HALF) + row * INNER_MEANS + (which * PARTS + c) * R + r);
            }
        }
    }
}
#endif

/* Spectra of the change + carry * old -> new density; partial[ring, missed or total, r] are sums along phi of both hemispheres. */
__kernel GROUP void update(
    __global const REAL* spectra, __global REAL* densities, __global const uchar* masks, __global const REAL* carry, const Rules rules,
    __global const REAL* averaged, __global const REAL* inner_means, __global REAL* partial, __global const int* members)
{
    __local V work[(PARTS == 2 ? 6 : 4) * LENGTH * ITEMS_R];
    __local V sums[2 * ITEMS_PHI * ITEMS_R];
    HERE;
    const V scale = LOAD(carry + r);
    __global const REAL* even = OF(spectra, SPECTRUM) + row * SPECTRUM_ROW + r;
    __global const REAL* old = SOURCE(densities) + row * ROW + r;
    __global REAL* new = TARGET(densities) + row * ROW + r;
    __global const uchar* mask = OF(masks, VOXELS) + row * ROW + r;
    const Means means = load_means(averaged, OF(inner_means, INNER_MEANS), r);
    V missed = (V)(0), total = (V)(0);
    synthesise(work, lane, item, even);
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
            updated(before, before_im, re, im, bits, rules, means, &after, &after_im, &missed, &total);
            STORE(after, new + place);
            STORE(after_im, new + VOXELS + place);
#else
            const V value = scale * before + AT(IM, k) + sign * AT(RE, k);
            STORE(updated(before, value, bits, rules, means, &missed, &total), new + place);
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
