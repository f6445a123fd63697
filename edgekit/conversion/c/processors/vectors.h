
INLINE sums first_sums(const int32_t *bias, int n)
{
    sums sum;
    memset(&sum, 0, sizeof sum);
    memcpy(&sum, bias, sizeof(int32_t) * (size_t)n);
    return sum;
}

INLINE sums repeated(int32_t value)
{
    const lanes none = {0};
    sums sum;
    for (int i = 0; i < 16 / LANES; ++i) {
        sum.of[i] = none + value;
    }
    return sum;
}

INLINE sums plus_raised(sums sum, const int8_t *in, int step, int plus, int32_t multiplier, int right, int n)
{
    const sums read = step ? wide(some(in, n)) : repeated(in[0]);
    for (int i = 0; i < 16 / LANES; ++i) {
        const lanes value = read.of[i] + plus;
        const lanes product = value * (multiplier >> 11) + ((value * (multiplier & 2047) + 1024) >> 11);
        const lanes half = (product >> 31) + (int32_t)(UINT32_C(1) << right >> 1);
        sum.of[i] += right ? (product + half) >> right : product;
    }
    return sum;
}

INLINE void store_scaled_near(sums sum, const int32_t *multiplier, const int8_t *exponent, int each, int zero_point,
    int low, int high, int8_t *out, int n)
{
    const sums factor = each ? first_sums(multiplier, n) : repeated(multiplier[0]);
    const sums left = each ? wide(some(exponent, n)) : repeated(exponent[0]);
    for (int i = 0; i < 16 / LANES; ++i) {
        sum.of[i] = near(sum.of[i], factor.of[i], -left.of[i]);
    }
    const bytes narrow = packed(sum, zero_point, low, high);
    memcpy(out, &narrow, (size_t)n);
}
