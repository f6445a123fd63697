/* Sums of 16 channels side by side, of which n count. */
#if defined(__GNUC__) && !defined(PLAIN_C)
#ifdef __AVX__
#define REALS 8
#else
#define REALS 4
#endif
typedef float reals __attribute__((vector_size(4 * REALS)));
typedef struct {
    reals of[16 / REALS];
} real_sums;

INLINE void add_product(real_sums *sum, float value, const float *weight, int n)
{
    real_sums factor = {{{0}}};
    memcpy(&factor, weight, sizeof(float) * (size_t)n);
    UNROLLED for (int o = 0; o < n; o += REALS) {
        sum->of[o / REALS] += value * factor.of[o / REALS];
    }
}

INLINE void add_products(real_sums *sum, const float *values, const float *weight, int n)
{
    real_sums factor = {{{0}}}, value = {{{0}}};
    memcpy(&factor, weight, sizeof(float) * (size_t)n);
    memcpy(&value, values, sizeof(float) * (size_t)n);
    UNROLLED for (int o = 0; o < n; o += REALS) {
        sum->of[o / REALS] += value.of[o / REALS] * factor.of[o / REALS];
    }
}

INLINE void begin_with(real_sums *sum, const float *bias, int n)
{
    const real_sums none = {{{0}}};
    *sum = none;
    memcpy(sum, bias, sizeof(float) * (size_t)n);
}

/* In four chains, since an addition waits for the one before it. */
INLINE void add_all(real_sums *sum, const float *values, const float *weight, int count, int n)
{
    real_sums second = {{{0}}}, third = {{{0}}}, fourth = {{{0}}};
    int i = 0;
    for (; i + 4 <= count; i += 4) {
        add_product(sum, values[i], weight + i * n, n);
        add_product(&second, values[i + 1], weight + (i + 1) * n, n);
        add_product(&third, values[i + 2], weight + (i + 2) * n, n);
        add_product(&fourth, values[i + 3], weight + (i + 3) * n, n);
    }
    for (; i < count; ++i) {
        add_product(sum, values[i], weight + i * n, n);
    }
    UNROLLED for (int o = 0; o < n; o += REALS) {
        sum->of[o / REALS] += second.of[o / REALS] + (third.of[o / REALS] + fourth.of[o / REALS]);
    }
}
#else
typedef struct {
    float of[16];
} real_sums;

INLINE void begin_with(real_sums *sum, const float *bias, int n)
{
    memcpy(sum->of, bias, sizeof(float) * (size_t)n);
}

INLINE void add_products(real_sums *sum, const float *values, const float *weight, int n)
{
    for (int o = 0; o < n; ++o) {
        sum->of[o] += values[o] * weight[o];
    }
}

INLINE void add_all(real_sums *sum, const float *values, const float *weight, int count, int n)
{
    for (int i = 0; i < count; ++i, weight += n) {
        for (int o = 0; o < n; ++o) {
            sum->of[o] += values[i] * weight[o];
        }
    }
}
#endif
