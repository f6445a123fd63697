#include <arm_neon.h>
#ifdef __ARM_FEATURE_DOTPROD
#define PLACES 4
#else
#define PLACES 2
#endif
#define LOW(a) vget_low_s8((int8x16_t)(a))
#define HIGH(a) vget_high_s8((int8x16_t)(a))

#ifdef __ARM_FEATURE_DOTPROD
INLINE sums plus_products(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    int32_t four;
    memcpy(&four, in, 4);
    UNROLLED for (int o = 0; o < n; o += 4) {
        const int8x16_t value = (int8x16_t)vdupq_n_s32(four);
        sum.of[o / 4] = (lanes)vdotq_s32((int32x4_t)sum.of[o / 4], vld1q_s8(weight + o * 4), value);
    }
    return sum;
}
#else
/* Of four values the first and third are added in 16 bits, and the second and fourth. */
INLINE sums plus_products(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    int16_t two[2];
    memcpy(two, in, 4);
    const int16x8_t first = vdupq_n_s16(two[0]), last = vdupq_n_s16(two[1]);
    UNROLLED for (int o = 0; o < n; o += 8) {
        const int16x8x2_t both = vld2q_s16((const int16_t *)(const void *)(weight + o * 4));
        const int16x8_t low = vmlal_s8(vmull_s8(LOW(first), LOW(both.val[0])), LOW(last), LOW(both.val[1]));
        const int16x8_t high = vmlal_s8(vmull_s8(HIGH(first), HIGH(both.val[0])), HIGH(last), HIGH(both.val[1]));
        sum.of[o / 4] = (lanes)vpadalq_s16((int32x4_t)sum.of[o / 4], low);
        sum.of[o / 4 + 1] = (lanes)vpadalq_s16((int32x4_t)sum.of[o / 4 + 1], high);
    }
    return sum;
}
#endif

INLINE sums plus_shorts(sums sum, int16x8_t low, int16x8_t high)
{
    sum.of[0] = (lanes)vaddw_s16((int32x4_t)sum.of[0], vget_low_s16(low));
    sum.of[1] = (lanes)vaddw_s16((int32x4_t)sum.of[1], vget_high_s16(low));
    sum.of[2] = (lanes)vaddw_s16((int32x4_t)sum.of[2], vget_low_s16(high));
    sum.of[3] = (lanes)vaddw_s16((int32x4_t)sum.of[3], vget_high_s16(high));
    return sum;
}

INLINE sums plus_each(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    const bytes value = some(in, n), factor = some(weight, n);
    return plus_shorts(sum, vmull_s8(LOW(value), LOW(factor)), vmull_s8(HIGH(value), HIGH(factor)));
}

INLINE sums plus_both(sums sum, const int8_t *in, const int8_t *next, const int8_t *weight, int n)
{
    const bytes value = some(in, n), other = some(next, n);
    int8_t both[32] = {0};
    memcpy(both, weight, (size_t)(2 * n));
    const int8x16x2_t factor = vld2q_s8(n < 16 ? both : weight);
    return plus_shorts(sum, vmlal_s8(vmull_s8(LOW(value), LOW(factor.val[0])), LOW(other), LOW(factor.val[1])),
        vmlal_s8(vmull_s8(HIGH(value), HIGH(factor.val[0])), HIGH(other), HIGH(factor.val[1])));
}

INLINE sums wide(bytes value)
{
    const sums none = {{{0}, {0}, {0}, {0}}};
    return plus_shorts(none, vmovl_s8(LOW(value)), vmovl_s8(HIGH(value)));
}

INLINE lanes near(lanes sum, lanes multiplier, lanes right)
{
    const int32x4_t product = vqrdmulhq_s32((int32x4_t)sum, (int32x4_t)multiplier);
    return (lanes)vrshlq_s32(vsraq_n_s32(product, product, 31), (int32x4_t)-right);
}

INLINE bytes packed(sums sum, int zero_point, int low, int high)
{
    const int16x8_t zero = vdupq_n_s16((int16_t)zero_point);
    const int16x8_t first = vcombine_s16(vqmovn_s32((int32x4_t)sum.of[0]), vqmovn_s32((int32x4_t)sum.of[1]));
    const int16x8_t last = vcombine_s16(vqmovn_s32((int32x4_t)sum.of[2]), vqmovn_s32((int32x4_t)sum.of[3]));
    const int8x16_t all = vcombine_s8(vqmovn_s16(vqaddq_s16(first, zero)), vqmovn_s16(vqaddq_s16(last, zero)));
    return (bytes)vminq_s8(vmaxq_s8(all, vdupq_n_s8((int8_t)low)), vdupq_n_s8((int8_t)high));
}
