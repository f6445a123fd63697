#include <immintrin.h>
#define PLACES 8
#define BLOCKS(places) ((places) < 3 ? 4 : 2)
#define OFFSET 128
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

/* Both products of a channel stand side by side, in 16 bits each. */
INLINE sums plus_both(sums sum, const int8_t *in, const int8_t *next, const int8_t *weight, int n)
{
    const __m256i value = _mm256_cvtepi8_epi16(_mm_maskz_loadu_epi8(SOME(n), in));
    const __m256i other = _mm256_cvtepi8_epi16(_mm_maskz_loadu_epi8(SOME(n), next));
    const __m512i both = _mm512_or_si512(
        _mm512_cvtepu16_epi32(value), _mm512_slli_epi32(_mm512_cvtepu16_epi32(other), 16));
    const __m256i factor = _mm256_maskz_loadu_epi16(SOME(n), weight);
    return _mm512_dpwssd_epi32(sum, both, _mm512_cvtepi8_epi16(factor));
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
