#define PLACES 1
#define VALUE(sum, o) (sum).of[o]
typedef struct {
    int32_t of[16];
} sums;

/* Adds the products of 4 inputs with 4 weights of each channel. */
INLINE sums plus_products(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    const int32_t first = in[0], second = in[1], third = in[2], fourth = in[3];
    for (int o = 0; o < n; ++o, weight += 4) {
        sum.of[o] += first * weight[0] + second * weight[1] + third * weight[2] + fourth * weight[3];
    }
    return sum;
}

/* Adds the product of an input with a weight, of each channel. */
INLINE sums plus_each(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    for (int o = 0; o < n; ++o) {
        sum.of[o] += in[o] * weight[o];
    }
    return sum;
}

/* Adds the products of two inputs with two weights, of each channel. */
INLINE sums plus_both(sums sum, const int8_t *in, const int8_t *next, const int8_t *weight, int n)
{
    for (int o = 0; o < n; ++o) {
        sum.of[o] += in[o] * weight[2 * o] + next[o] * weight[2 * o + 1];
    }
    return sum;
}

INLINE sums first_sums(const int32_t *bias, int n)
{
    sums sum;
    memset(&sum, 0, sizeof sum);
    memcpy(&sum, bias, sizeof(int32_t) * (size_t)n);
    return sum;
}

/* Adds scaled((value + plus) * 2^20, multiplier, right) of 16 values, or of one, in 32 bits: they have 9 of them. */
INLINE sums plus_raised(sums sum, const int8_t *in, int step, int plus, int32_t multiplier, int right, int n)
{
    for (int o = 0; o < n; ++o) {
        const int32_t value = in[o * step] + plus;
        sum.of[o] += halved(value * (multiplier >> 11) + ((value * (multiplier & 2047) + 1024) >> 11), right);
    }
    return sum;
}
#define store_scaled_near store_scaled
