/* Everything along phi, each step fused with the transforms around it; the formulas are those of engine/azimuth.py. */

/* Spectra [m, re/im, r] of two real sequences a, b -> spectrum of a + ib in X, real and imaginary part exchanged (for the inverse). */
inline void load_pair(__local V* work, const int lane, const int item, __global const REAL* first, __global const REAL* second, const int count)
{
    EACH(m, count) {
        const V a_re = LOAD(first + 2 * m * R), a_im = LOAD(first + (2 * m + 1) * R);
        const V b_re = LOAD(second + 2 * m * R), b_im = LOAD(second + (2 * m + 1) * R);
        AT(0, m) = a_im + b_re;
        AT(1, m) = a_re - b_im;
        if (m > 0) {
            AT(0, LENGTH - m) = b_re - a_im;
            AT(1, LENGTH - m) = a_re + b_im;
        }
    }
    EACH(k, LENGTH - 2 * count + 1) {
        AT(0, count + k) = (V)(0);
        AT(1, count + k) = (V)(0);
    }
    SYNC;
}

/* Inverse of `load_pair` (parts in order) up to a factor 2 that the Legendre analysis matrices undo. */
inline void store_pair(__local V* work, const int lane, const int item, __global REAL* first, __global REAL* second, const int count)
{
    EACH(m, count) {
        const int n = m > 0 ? LENGTH - m : 0;
        const V re = AT(RE, m), im = AT(IM, m), re_minus = AT(RE, n), im_minus = AT(IM, n);
        STORE(re + re_minus, first + 2 * m * R);
        STORE(im - im_minus, first + (2 * m + 1) * R);
        STORE(im + im_minus, second + 2 * m * R);
        STORE(re_minus - re, second + (2 * m + 1) * R);
    }
    SYNC;
}

/* Values on the grid (of their magnitudes, if asked for) -> spectra of even and odd part. Row: ring of a component. */
__kernel GROUP void analyse_density(__global const REAL* densities, const int magnitude, __global REAL* spectra, __global const int* members)
{
    __local V work[4 * LENGTH * ITEMS_R];
    HERE;
    const int c = row / HALF, j = row % HALF;
    __global const REAL* north = SOURCE(densities) + c * VOXELS + j * ROW + r;
    __global const REAL* south = north + HALF * ROW;
    EACH(k, LENGTH) {
        V n = LOAD(north + k * R), s = LOAD(south + k * R);
        if (magnitude) {
#if PARTS == 1
            n = fabs(n);
            s = fabs(s);
#else
            if (c > 0) {
                n = s = (V)(0);
            } else {
                n = hypot(n, LOAD(north + VOXELS + k * R));
                s = hypot(s, LOAD(south + VOXELS + k * R));
            }
#endif
        }
        AT(0, k) = (REAL)(0.5) * (n + s);
        AT(1, k) = (REAL)(0.5) * (n - s);
    }
    SYNC;
    fft(work, lane, item);
    __global REAL* even = OF(spectra, SPECTRUM) + (2 * c * HALF + j) * SPECTRUM_ROW + r;
    store_pair(work, lane, item, even, even + HALF * SPECTRUM_ROW, COUNT);
}

/* Spectra of even and odd part -> values at the points and their antipodes, in `fields` (one a member), or in the target slot. */
__kernel GROUP void synthesise_density(__global const REAL* spectra, __global REAL* fields, const int slots, __global const int* members)
{
    __local V work[4 * LENGTH * ITEMS_R];
    HERE;
    const int c = row / HALF, j = row % HALF;
    __global const REAL* even = OF(spectra, SPECTRUM) + (2 * c * HALF + j) * SPECTRUM_ROW + r;
    load_pair(work, lane, item, even, even + HALF * SPECTRUM_ROW, COUNT);
    fft(work, lane, item);
    __global REAL* north = (slots ? TARGET(fields) : OF(fields, FIELD)) + c * VOXELS + j * ROW + r;
    EACH(k, LENGTH) {
        const V e = AT(IM, k), o = AT(RE, k);
        STORE(e + o, north + k * R);
        STORE(e - o, north + (HALF * LENGTH + k) * R);
    }
}

/* Spectra of F -> F on the grid and the spectra of |F|^2. Row: a pair of rings (real density) or a ring (complex). */
__kernel GROUP void intensity(__global const REAL* spectra, __global REAL* amplitudes, __global REAL* intensities, __global const int* members)
{
    __local V work[6 * LENGTH * ITEMS_R];
    HERE;
    __global const REAL* spectrum = OF(spectra, SPECTRUM) + r;
    __global REAL* amplitude = OF(amplitudes, FIELD) + r;
    __global REAL* result = OF(intensities, INTENSITY_SPECTRUM) + r;
    for (int line = 0; line < 2; line++) {
        const int c = PARTS == 2 ? line : 0, j = PARTS == 2 ? row : 2 * row + line;
        __global const REAL* even = spectrum + (2 * c * HALF + j) * SPECTRUM_ROW;
        __global REAL* a_out = amplitude + c * VOXELS + j * ROW;
        load_pair(work, lane, item, even, even + HALF * SPECTRUM_ROW, COUNT);
        fft(work, lane, item);
        EACH(k, LENGTH) {
            const V a = AT(IM, k), b = AT(RE, k);
            STORE(a, a_out + k * R);
            STORE(b, a_out + (HALF * LENGTH + k) * R);
#if PARTS == 2
            if (line == 0) {
                AT(4, k) = a;
                AT(5, k) = b;
            } else {
                const V a1 = AT(4, k), b1 = AT(5, k);
                AT(4, k) = a1 * a1 + b1 * b1 + a * a + b * b;
                AT(5, k) = 2 * (a * b1 - a1 * b);
            }
#else
            AT(4 + line, k) = a * a + b * b;
#endif
        }
        SYNC;
    }
    EACH(k, LENGTH) {
        AT(0, k) = AT(4, k);
        AT(1, k) = AT(5, k);
    }
    SYNC;
    fft(work, lane, item);
#if PARTS == 2
    store_pair(work, lane, item, result + row * INTENSITY_ROW, result + (HALF + row) * INTENSITY_ROW, INTENSITY_COUNT);
#else
    store_pair(work, lane, item, result + 2 * row * INTENSITY_ROW, result + (2 * row + 1) * INTENSITY_ROW, INTENSITY_COUNT);
#endif
}

/* Tiles 4 and 5 from the change of the intensity: real density: of the two rings, complex: its even and odd part. */
inline void load_change(__local V* work, const int lane, const int item, __global const REAL* change, const int row)
{
#if PARTS == 2
    load_pair(work, lane, item, change + row * INTENSITY_ROW, change + (HALF + row) * INTENSITY_ROW, INTENSITY_COUNT);
#else
    load_pair(work, lane, item, change + 2 * row * INTENSITY_ROW, change + (2 * row + 1) * INTENSITY_ROW, INTENSITY_COUNT);
#endif
    fft(work, lane, item);
    EACH(k, LENGTH) {
        AT(4, k) = AT(IM, k);
        AT(5, k) = AT(RE, k);
    }
    SYNC;
}

/* As `load_change`, into tiles `first` and `first` + 1, from a frozen intensity on the grid. */
inline void load_frozen(
    __local V* work, const int lane, const int item, __global const REAL* frozen, const V opened, const int row, const int first)
{
    EACH(k, LENGTH) {
#if PARTS == 2
        const V n = LOAD(frozen + (row * LENGTH + k) * R), s = LOAD(frozen + ((HALF + row) * LENGTH + k) * R);
        AT(first, k) = (REAL)(0.5) * opened * (n + s);
        AT(first + 1, k) = (REAL)(0.5) * opened * (n - s);
#else
        AT(first, k) = opened * LOAD(frozen + (2 * row * LENGTH + k) * R);
        AT(first + 1, k) = opened * LOAD(frozen + ((2 * row + 1) * LENGTH + k) * R);
#endif
    }
    SYNC;
}

/* I' on the grid, no larger than the modulus constraint's largest gain allows. Rows as in `intensity`. */
__kernel GROUP void freeze(
    __global const REAL* changes, __global const REAL* amplitudes, __global const REAL* keep, __global REAL* frozen, __global const int* members)
{
    __local V work[6 * LENGTH * ITEMS_R];
    HERE;
    __global const REAL* amplitude = OF(amplitudes, FIELD) + r;
    __global REAL* result = OF(frozen, FROZEN) + r;
    const V kept = LOAD(keep + r);
    load_change(work, lane, item, OF(changes, INTENSITY_SPECTRUM) + r, row);
    for (int line = 0; line < 2; line++) {
        const int j = PARTS == 2 ? row : 2 * row + line;
        EACH(k, LENGTH) {
            const V a = LOAD(amplitude + j * ROW + k * R), b = LOAD(amplitude + (HALF * LENGTH + j * LENGTH + k) * R);
#if PARTS == 2
            const V a2 = LOAD(amplitude + VOXELS + j * ROW + k * R), b2 = LOAD(amplitude + VOXELS + (HALF * LENGTH + j * LENGTH + k) * R);
            const V re = line == 0 ? a - b2 : a + b2, im = line == 0 ? b + a2 : a2 - b;
            const V found = re * re + im * im, change = line == 0 ? AT(4, k) + AT(5, k) : AT(4, k) - AT(5, k);
            const int place = (line * HALF + row) * LENGTH + k;
#else
            const V found = a * a + b * b, change = AT(4 + line, k);
            const int place = j * LENGTH + k;
#endif
            STORE(min(max(kept * found + change, (V)(0)), (REAL)(LARGEST_GAIN_SQUARED) * found), result + place * R);
        }
    }
}

/* Frozen intensity on the grid -> its spectra, as `intensity` gives them. */
__kernel GROUP void frozen_spectra(__global const REAL* frozen, __global REAL* intensities, __global const int* members)
{
    __local V work[4 * LENGTH * ITEMS_R];
    HERE;
    __global REAL* result = OF(intensities, INTENSITY_SPECTRUM) + r;
    load_frozen(work, lane, item, OF(frozen, FROZEN) + r, (V)(1), row, 0);
    fft(work, lane, item);
#if PARTS == 2
    store_pair(work, lane, item, result + row * INTENSITY_ROW, result + (HALF + row) * INTENSITY_ROW, INTENSITY_COUNT);
#else
    store_pair(work, lane, item, result + 2 * row * INTENSITY_ROW, result + (2 * row + 1) * INTENSITY_ROW, INTENSITY_COUNT);
#endif
}

/* The modulus constraint: change of the intensity, F -> spectra of (sqrt(I'/I) - carry) F. Rows as in `intensity`. If `is_frozen`, the
   changes are a frozen intensity on the grid, imposed where `keep` is 0. */
__kernel GROUP void modulus(
    __global const REAL* changes, const int is_frozen, __global const REAL* amplitudes, __global const REAL* keep, const REAL carry,
    __global REAL* spectra, __global const int* members)
{
    __local V work[6 * LENGTH * ITEMS_R];
    HERE;
    __global const REAL* amplitude = OF(amplitudes, FIELD) + r;
    __global REAL* spectrum = OF(spectra, SPECTRUM) + r;
    const V kept = LOAD(keep + r);
    if (is_frozen)
        load_frozen(work, lane, item, OF(changes, FROZEN) + r, 1 - kept, row, 4);
    else
        load_change(work, lane, item, OF(changes, INTENSITY_SPECTRUM) + r, row);
    for (int line = 0; line < 2; line++) {
        const int c = PARTS == 2 ? line : 0, j = PARTS == 2 ? row : 2 * row + line;
        __global const REAL* a_in = amplitude + j * ROW;
        EACH(k, LENGTH) {
            const V a = LOAD(a_in + k * R), b = LOAD(a_in + (HALF * LENGTH + k) * R);
#if PARTS == 2
            const V a2 = LOAD(a_in + VOXELS + k * R), b2 = LOAD(a_in + VOXELS + (HALF * LENGTH + k) * R);
            const V re_n = a - b2, im_n = b + a2, re_s = a + b2, im_s = a2 - b;
            const V f_n = (REAL)(0.5) * gain(re_n * re_n + im_n * im_n, AT(4, k) + AT(5, k), kept, carry);
            const V f_s = (REAL)(0.5) * gain(re_s * re_s + im_s * im_s, AT(4, k) - AT(5, k), kept, carry);
            AT(0, k) = line == 0 ? f_n * re_n + f_s * re_s : f_n * im_n + f_s * im_s;
            AT(1, k) = line == 0 ? f_n * im_n - f_s * im_s : f_s * re_s - f_n * re_n;
#else
            const V factor = gain(a * a + b * b, AT(4 + line, k), kept, carry);
            AT(0, k) = factor * a;
            AT(1, k) = factor * b;
#endif
        }
        SYNC;
        fft(work, lane, item);
        __global REAL* even = spectrum + (2 * c * HALF + j) * SPECTRUM_ROW;
        store_pair(work, lane, item, even, even + HALF * SPECTRUM_ROW, COUNT);
    }
}
