/* SSE2 and WebAssembly add products of 16 bits by PAIRS, and move all lanes by the same number of places only, so that
   high_31 divides by powers of two. */
INLINE sums plus_products(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    int32_t four;
    memcpy(&four, in, 4);
    const lanes all = {four, four, four, four};
    const shorts even = ((shorts)all << 8) >> 8, odd = (shorts)all >> 8;
    UNROLLED for (int o = 0; o < n; o += 4) {
        const shorts factor = (shorts)some(weight + o * 4, 16);
        sum.of[o / 4] += PAIRS(even, (factor << 8) >> 8) + PAIRS(odd, factor >> 8);
    }
    return sum;
}

INLINE sums plus_each(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    const bytes value = some(in, n), factor = some(weight, n);
    const shorts low = WIDE_low(value) * WIDE_low(factor), high = WIDE_high(value) * WIDE_high(factor);
    sum.of[0] += WIDER_low(low);
    sum.of[1] += WIDER_high(low);
    sum.of[2] += WIDER_low(high);
    sum.of[3] += WIDER_high(high);
    return sum;
}

INLINE sums plus_both(sums sum, const int8_t *in, const int8_t *next, const int8_t *weight, int n)
{
    const bytes value = some(in, n), other = some(next, n);
    const bytes low = MIXED_low(value, other), high = MIXED_high(value, other);
    const bytes first = some(weight, n < 8 ? 2 * n : 16), last = some(weight + 16, n < 8 ? 0 : 2 * n - 16);
    sum.of[0] += PAIRS(WIDE_low(low), WIDE_low(first));
    sum.of[1] += PAIRS(WIDE_high(low), WIDE_high(first));
    sum.of[2] += PAIRS(WIDE_low(high), WIDE_low(last));
    sum.of[3] += PAIRS(WIDE_high(high), WIDE_high(last));
    return sum;
}

INLINE sums wide(bytes value)
{
    const shorts low = WIDE_low(value), high = WIDE_high(value);
    const sums all = {{WIDER_low(low), WIDER_high(low), WIDER_low(high), WIDER_high(high)}};
    return all;
}

/* 2^exponent. */
INLINE lanes power(lanes exponent)
{
    return __builtin_convertvector((floats)((exponent + 127) << 23), lanes);
}

INLINE lanes near(lanes sum, lanes multiplier, lanes right)
{
    const lanes product = high_31(sum, multiplier, INT64_C(1) << 30);
    return high_31(product + (product >> 31) + power(right - 1), power(31 - right), 0);
}
