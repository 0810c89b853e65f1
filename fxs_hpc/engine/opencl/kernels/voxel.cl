/* The modulus constraint, the constraints of real space and the ER / HIO / RAAR update of one voxel; the formulas are those of engine/update.py and
   engine/inner_shells.py. */

/* sqrt(I'/I) - carry with I' = max(0, keep I + change). */
inline V gain(const V found, const V change, const V keep, const REAL carry)
{
    const V goal = keep * found + change;
    const V quotient = min(goal / found, (V)(LARGEST_GAIN_SQUARED));
    return sqrt(((found > (V)(0)) & (goal > (V)(0))) ? quotient : (V)(0)) - carry;
}

#define INSIDE_SUPPORT 1
#define INSIDE_INITIAL_SUPPORT 2

typedef struct { REAL lower, upper, largest_imag, beta; int raar, by_support, by_value, by_imag, by_centre; } Rules;

/* Shells of `inner` are projected onto their means over the angles, besides all other constraints: of the projected density, and of the
   projected reflected one. */
typedef struct { MASK inner; V projected[PARTS], reflected[PARTS]; } Means;

#if PARTS == 1
inline V projection(const V value, const MASK inside, const Rules rules, V* kept)
{
    *kept = inside ? value : (V)(0);
    return min(max(*kept, (V)(rules.lower)), (V)(rules.upper));
}

/* One voxel: old, value -> new; adds to the sums over the initial support. */
inline V updated(const V old, const V value, const MASK bits, const Rules rules, const Means means, V* missed_sum, V* total_sum)
{
    const V zero = (V)(0);
    const MASK counted = (bits & INSIDE_INITIAL_SUPPORT) != 0, inside = (bits & INSIDE_SUPPORT) != 0;
    V kept, unused;
    const V limited = projection(value, inside, rules, &kept), projected = means.inner ? means.projected[0] : limited;
    const V missed = value - projected;
    const V error = counted ? missed : zero, weight = counted ? value : zero;
    *missed_sum += error * error;
    *total_sum += weight * weight;
    if (rules.raar) {
        const V reflected = projection(2 * value - old, inside, rules, &unused);
        return rules.beta * ((means.inner ? means.reflected[0] : reflected) + old) + (1 - 2 * rules.beta) * value;
    }
    const MASK none = bits & 0;
    const MASK feedback = ((none != rules.by_support) & (inside == 0)) | ((none != rules.by_value) & (limited != kept))
        | ((none != rules.by_centre) & means.inner);
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
    const V old_re, const V old_im, const V re, const V im, const MASK bits, const Rules rules, const Means means, V* new_re, V* new_im,
    V* missed_sum, V* total_sum)
{
    const V zero = (V)(0);
    const MASK counted = (bits & INSIDE_INITIAL_SUPPORT) != 0, inside = (bits & INSIDE_SUPPORT) != 0;
    V kept_re, kept_im, l_re, l_im;
    projection(re, im, inside, rules, &kept_re, &kept_im, &l_re, &l_im);
    const V p_re = means.inner ? means.projected[0] : l_re, p_im = means.inner ? means.projected[1] : l_im;
    const V miss_re = re - p_re, miss_im = im - p_im;
    *missed_sum += counted ? miss_re * miss_re + miss_im * miss_im : zero;
    *total_sum += counted ? re * re + im * im : zero;
    if (rules.raar) {
        V q_re, q_im, unused_re, unused_im;
        projection(2 * re - old_re, 2 * im - old_im, inside, rules, &unused_re, &unused_im, &q_re, &q_im);
        const REAL rest = 1 - 2 * rules.beta;
        *new_re = rules.beta * ((means.inner ? means.reflected[0] : q_re) + old_re) + rest * re;
        *new_im = rules.beta * ((means.inner ? means.reflected[1] : q_im) + old_im) + rest * im;
        return;
    }
    const MASK none = bits & 0;
    const MASK feedback = ((none != rules.by_support) & (inside == 0)) | ((none != rules.by_value) & (l_re != kept_re))
        | ((none != rules.by_imag) & (l_im != kept_im)) | ((none != rules.by_centre) & means.inner);
    *new_re = feedback ? old_re - rules.beta * miss_re : p_re;
    *new_im = feedback ? old_im - rules.beta * miss_im : p_im;
}
#endif

#define INNER_MEANS (2 * PARTS * R)
inline Means load_means(__global const REAL* averaged, __global const REAL* means, const int r)
{
    Means result;
#if AVERAGED > 0
    result.inner = LOAD(averaged + r) != (V)(0);
    for (int c = 0; c < PARTS; c++) {
        result.projected[c] = LOAD(means + c * R + r);
        result.reflected[c] = LOAD(means + (PARTS + c) * R + r);
    }
#else
    result.inner = (V)(0) != (V)(0);
    for (int c = 0; c < PARTS; c++)
        result.projected[c] = result.reflected[c] = (V)(0);
#endif
    return result;
}
