#ifndef OFFSET
#define OFFSET 0
#endif
#define BLOCKS(places) 1

/* Stores sums times factors, which are one for each channel or the same for all. */
INLINE void store_scaled(sums sum, const int32_t *multiplier, const int8_t *exponent, int each, int zero_point, int low,
    int high, int8_t *out, int n)
{
    UNROLLED for (int o = 0; o < n; ++o) {
        const int right = exponent[o * each] < 0 ? -exponent[o * each] : 0;
        out[o] = clamped(scaled(VALUE(sum, o), multiplier[o * each], right) + zero_point, low, high);
    }
}
