/* Sums of 16 channels side by side, in what registers the compiler may use; n channels of them count, and all answer the
   same. PLACES of an image are summed at the same time. OFFSET is what products add to inputs, and biases make up for it.
   PLAIN_C does without. */
#if !defined(PLAIN_C) && defined(__AVX512VNNI__) && defined(__AVX512VL__) && defined(__AVX512BW__)
#include <immintrin.h>
#define PLACES 8
#define BLOCKS(places) ((places) < 3 ? 4 : 2)
#define OFFSET 128
#define ALIGNED __attribute__((aligned(64)))
#define SOME(n) ((uint16_t)((1u << (n)) - 1))
typedef __m512i sums;

INLINE sums halves(sums sum, __m512i right)
{
    const __m512i one = _mm512_set1_epi32(1), mask = _mm512_sub_epi32(_mm512_sllv_epi32(one, right), one);
    const __m512i limit = _mm512_sub_epi32(_mm512_srli_epi32(mask, 1), _mm512_srai_epi32(sum, 31));
    const __m512i down = _mm512_srav_epi32(sum, right);
    return _mm512_mask_add_epi32(down, _mm512_cmpgt_epi32_mask(_mm512_and_si512(sum, mask), limit), down, one);
}

INLINE sums first_sums(const int32_t *bias, int n)
{
    return _mm512_maskz_loadu_epi32(SOME(n), bias);
}

INLINE sums plus_products(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    int32_t four;
    memcpy(&four, in, 4);
    const __m512i value = _mm512_xor_si512(_mm512_set1_epi32(four), _mm512_set1_epi8(-OFFSET));
    return _mm512_dpbusd_epi32(sum, value, _mm512_maskz_loadu_epi32(SOME(n), weight));
}

INLINE sums plus_each(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    const __m512i value = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(SOME(n), in));
    return _mm512_dpwssd_epi32(sum, value, _mm512_maskz_mov_epi16(
        0x55555555, _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(SOME(n), weight))));
}

INLINE sums plus_raised(sums sum, const int8_t *in, int step, int plus, int32_t multiplier, int right, int n)
{
    const __m512i wide = step ? _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(SOME(n), in)) : _mm512_set1_epi32(in[0]);
    const __m512i value = _mm512_add_epi32(wide, _mm512_set1_epi32(plus));
    __m512i product = _mm512_mullo_epi32(value, _mm512_set1_epi32(multiplier >> 11));
    if (multiplier & 2047) {
        const __m512i low = _mm512_mullo_epi32(value, _mm512_set1_epi32(multiplier & 2047));
        product = _mm512_add_epi32(product, _mm512_srai_epi32(_mm512_add_epi32(low, _mm512_set1_epi32(1024)), 11));
    }
    return _mm512_add_epi32(sum, right ? halves(product, _mm512_set1_epi32(right)) : product);
}

INLINE sums multipliers(const int32_t *multiplier, int each, int n)
{
    return each ? _mm512_maskz_loadu_epi32(SOME(n), multiplier) : _mm512_set1_epi32(multiplier[0]);
}

INLINE sums rights(const int8_t *exponent, int each, int n)
{
    const __m512i left = each ? _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(SOME(n), exponent))
                              : _mm512_set1_epi32(exponent[0]);
    return _mm512_max_epi32(_mm512_sub_epi32(_mm512_setzero_si512(), left), _mm512_setzero_si512());
}

INLINE sums doubled_high(sums sum, __m512i factor)
{
    const __m512i nudge = _mm512_set1_epi64(1 << 30);
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(sum, factor), nudge);
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(
        _mm512_srli_epi64(sum, 32), _mm512_srli_epi64(factor, 32)), nudge);
    return _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 31), 0xAAAA, _mm512_slli_epi64(odd, 1));
}

INLINE void store(sums near, int low, int high, int8_t *out, int n)
{
    if (low > INT8_MIN) {
        near = _mm512_max_epi32(near, _mm512_set1_epi32(low));
    }
    if (high < INT8_MAX) {
        near = _mm512_min_epi32(near, _mm512_set1_epi32(high));
    }
    _mm_mask_storeu_epi8(out, SOME(n), _mm512_cvtsepi32_epi8(near));
}

INLINE void store_scaled(sums sum, const int32_t *multiplier, const int8_t *exponent, int each, int zero_point, int low,
    int high, int8_t *out, int n)
{
    const __m512i near = halves(doubled_high(sum, multipliers(multiplier, each, n)), rights(exponent, each, n));
    store(_mm512_add_epi32(near, _mm512_set1_epi32(zero_point)), low, high, out, n);
}

/* The same of factors below 2^-1 that are not below 2^-22 and of products below 2^30. */
INLINE void store_scaled_near(sums sum, const int32_t *multiplier, const int8_t *exponent, int each, int zero_point,
    int low, int high, int8_t *out, int n)
{
    const __m512i right = rights(exponent, each, n), product = doubled_high(sum, multipliers(multiplier, each, n));
    const __m512i plus = _mm512_add_epi32(_mm512_srli_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), right), 1),
        _mm512_sllv_epi32(_mm512_set1_epi32(zero_point), right));
    const __m512i raised = _mm512_add_epi32(_mm512_add_epi32(product, plus), _mm512_srai_epi32(product, 31));
    store(_mm512_srav_epi32(raised, right), low, high, out, n);
}
#else
#define BLOCKS(places) 1
#define OFFSET 0
#define ALIGNED
#if !defined(PLAIN_C) && defined(__GNUC__) && (defined(__SSE2__) || defined(__wasm_simd128__) || defined(__ARM_NEON))
#define PLACES 2
#define VALUE(sum, o) (sum).of[(o) / 4][(o) % 4]
typedef int32_t lanes __attribute__((vector_size(16)));
typedef struct {
    lanes of[4];
} sums;
typedef int16_t shorts __attribute__((vector_size(16)));
typedef int8_t bytes __attribute__((vector_size(16)));
#ifdef __ARM_NEON
#include <arm_neon.h>
#define PRODUCT(half, a, b) (shorts)vmull_s8(vget_##half##_s8((int8x16_t)(a)), vget_##half##_s8((int8x16_t)(b)))
#define WIDE(half, a) (lanes)vmovl_s16(vget_##half##_s16((int16x8_t)(a)))

INLINE lanes plus_four(lanes sum, bytes in, bytes weight)
{
#ifdef __ARM_FEATURE_DOTPROD
    return (lanes)vdotq_s32((int32x4_t)sum, (int8x16_t)weight, (int8x16_t)in);
#else
    /* No weight is -128, so that two products fit in 16 bits. */
    const int16x8_t low = (int16x8_t)PRODUCT(low, in, weight), high = (int16x8_t)PRODUCT(high, in, weight);
#ifdef __aarch64__
    const int16x8_t both = vpaddq_s16(low, high);
#else
    const int16x8_t both = vcombine_s16(vpadd_s16(vget_low_s16(low), vget_high_s16(low)),
        vpadd_s16(vget_low_s16(high), vget_high_s16(high)));
#endif
    return (lanes)vpadalq_s16((int32x4_t)sum, both);
#endif
}
#else
#ifdef __SSE2__
#include <emmintrin.h>
#define PAIRS(a, b) (lanes)_mm_madd_epi16((__m128i)(a), (__m128i)(b))
#define DOUBLE8_low(a) (shorts)_mm_unpacklo_epi8((__m128i)(a), (__m128i)(a))
#define DOUBLE8_high(a) (shorts)_mm_unpackhi_epi8((__m128i)(a), (__m128i)(a))
#define DOUBLE16_low(a) (lanes)_mm_unpacklo_epi16((__m128i)(a), (__m128i)(a))
#define DOUBLE16_high(a) (lanes)_mm_unpackhi_epi16((__m128i)(a), (__m128i)(a))
#define PRODUCT(half, a, b) ((DOUBLE8_##half(a) >> 8) * (DOUBLE8_##half(b) >> 8))
#define WIDE(half, a) (DOUBLE16_##half(a) >> 16)
#else
#include <wasm_simd128.h>
#define PAIRS(a, b) (lanes)wasm_i32x4_dot_i16x8((v128_t)(a), (v128_t)(b))
#define PRODUCT(half, a, b) (shorts)wasm_i16x8_extmul_##half##_i8x16((v128_t)(a), (v128_t)(b))
#define WIDE(half, a) (lanes)wasm_i32x4_extend_##half##_i16x8((v128_t)(a))
#endif

INLINE lanes plus_four(lanes sum, bytes in, bytes weight)
{
    const shorts a = (shorts)in, b = (shorts)weight;
    return sum + PAIRS((a << 8) >> 8, (b << 8) >> 8) + PAIRS(a >> 8, b >> 8);
}
#endif

INLINE bytes some(const int8_t *from, int n)
{
    bytes read = {0};
    memcpy(&read, from, (size_t)n);
    return read;
}

INLINE sums plus_products(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    int32_t four;
    memcpy(&four, in, 4);
    const lanes repeated = {four, four, four, four};
    UNROLLED for (int o = 0; o < n; o += 4) {
        sum.of[o / 4] = plus_four(sum.of[o / 4], (bytes)repeated, some(weight + o * 4, 16));
    }
    return sum;
}

INLINE sums plus_each(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    const bytes value = some(in, n), factor = some(weight, n);
    const shorts low = PRODUCT(low, value, factor), high = PRODUCT(high, value, factor);
    sum.of[0] += WIDE(low, low);
    sum.of[1] += WIDE(high, low);
    sum.of[2] += WIDE(low, high);
    sum.of[3] += WIDE(high, high);
    return sum;
}
#else
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
#endif

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
        VALUE(sum, o) += halved(value * (multiplier >> 11) + ((value * (multiplier & 2047) + 1024) >> 11), right);
    }
    return sum;
}

#if !defined(PLAIN_C) && defined(__ARM_NEON)
INLINE void store_scaled(sums sum, const int32_t *multiplier, const int8_t *exponent, int each, int zero_point, int low,
    int high, int8_t *out, int n)
{
    int8_t narrow[16];
    UNROLLED for (int o = 0; o < n; o += 4) {
        int32_t factor[4], right[4];
        for (int i = 0; i < 4; ++i) {
            const int at = o + i < n ? (o + i) * each : 0;
            factor[i] = multiplier[at];
            right[i] = exponent[at] < 0 ? exponent[at] : 0;
        }
        const int32x4_t places = vld1q_s32(right), product = vqrdmulhq_s32((int32x4_t)sum.of[o / 4], vld1q_s32(factor));
        const int32x4_t away = vqaddq_s32(product, vshrq_n_s32(vandq_s32(product, places), 31));
        const int32x4_t moved = vaddq_s32(vrshlq_s32(away, places), vdupq_n_s32(zero_point));
        const int32x4_t inside = vminq_s32(vmaxq_s32(moved, vdupq_n_s32(low)), vdupq_n_s32(high));
        for (int i = 0; i < 4; ++i) {
            narrow[o + i] = (int8_t)((lanes)inside)[i];
        }
    }
    memcpy(out, narrow, (size_t)n);
}
#else
/* Stores sums times factors, which are one for each channel or the same for all. */
INLINE void store_scaled(sums sum, const int32_t *multiplier, const int8_t *exponent, int each, int zero_point, int low,
    int high, int8_t *out, int n)
{
    UNROLLED for (int o = 0; o < n; ++o) {
        const int right = exponent[o * each] < 0 ? -exponent[o * each] : 0;
        out[o] = clamped(scaled(VALUE(sum, o), multiplier[o * each], right) + zero_point, low, high);
    }
}
#endif
#define store_scaled_near store_scaled
#endif

/* The largest part of count places, all as large as the others or nearly so, that is at most PLACES. */
#define TILES(count) (((count) + PLACES - 1) / PLACES)
#define TILE(count) (((count) + TILES(count) - 1) / TILES(count))
