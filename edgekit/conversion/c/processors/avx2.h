#include <immintrin.h>
#define PLACES 4
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#define OFFSET 128
#define plus_four _mm256_dpbusd_epi32
#elif defined(__AVXVNNI__)
#define OFFSET 128
#define plus_four _mm256_dpbusd_avx_epi32
#else
#define OFFSET 0

/* Pairs of 16 bits, since pairs of bytes would be added with saturation. */
INLINE __m256i plus_four(__m256i sum, __m256i in, __m256i weight)
{
    const __m256i even = _mm256_madd_epi16(
        _mm256_srai_epi16(_mm256_slli_epi16(in, 8), 8), _mm256_srai_epi16(_mm256_slli_epi16(weight, 8), 8));
    const __m256i odd = _mm256_madd_epi16(_mm256_srai_epi16(in, 8), _mm256_srai_epi16(weight, 8));
    return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}
#endif

INLINE sums plus_products(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    int32_t four;
    memcpy(&four, in, 4);
    const __m256i value = _mm256_xor_si256(_mm256_set1_epi32(four), _mm256_set1_epi8(-OFFSET));
    UNROLLED for (int o = 0; o < n; o += 8) {
        const __m256i factor = _mm256_loadu_si256((const __m256i *)(const void *)(weight + o * 4));
        sum.of[o / 8] = (lanes)plus_four((__m256i)sum.of[o / 8], value, factor);
    }
    return sum;
}

INLINE sums wide(bytes value)
{
    const __m128i all = (__m128i)value;
    const sums result = {{(lanes)_mm256_cvtepi8_epi32(all), (lanes)_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(all, all))}};
    return result;
}

INLINE sums plus_each(sums sum, const int8_t *in, const int8_t *weight, int n)
{
    const __m256i product = _mm256_mullo_epi16(
        _mm256_cvtepi8_epi16((__m128i)some(in, n)), _mm256_cvtepi8_epi16((__m128i)some(weight, n)));
    sum.of[0] += (lanes)_mm256_cvtepi16_epi32(_mm256_castsi256_si128(product));
    sum.of[1] += (lanes)_mm256_cvtepi16_epi32(_mm256_extracti128_si256(product, 1));
    return sum;
}

INLINE sums plus_both(sums sum, const int8_t *in, const int8_t *next, const int8_t *weight, int n)
{
    const __m128i value = (__m128i)some(in, n), other = (__m128i)some(next, n);
    const __m128i first = (__m128i)some(weight, n < 8 ? 2 * n : 16);
    const __m128i last = (__m128i)some(weight + 16, n < 8 ? 0 : 2 * n - 16);
    sum.of[0] += (lanes)_mm256_madd_epi16(
        _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(value, other)), _mm256_cvtepi8_epi16(first));
    sum.of[1] += (lanes)_mm256_madd_epi16(
        _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(value, other)), _mm256_cvtepi8_epi16(last));
    return sum;
}

INLINE lanes near(lanes sum, lanes multiplier, lanes right)
{
    const __m256i x = (__m256i)sum, y = (__m256i)multiplier, places = (__m256i)right;
    const __m256i half = _mm256_set1_epi64x(1 << 30);
    const __m256i even = _mm256_srli_epi64(_mm256_add_epi64(_mm256_mul_epi32(x, y), half), 31);
    const __m256i odd = _mm256_slli_epi64(_mm256_add_epi64(_mm256_mul_epi32(
        _mm256_srli_epi64(x, 32), _mm256_srli_epi64(y, 32)), half), 1);
    const lanes product = (lanes)_mm256_blend_epi32(even, odd, 0xAA);
    const lanes plus = (lanes)_mm256_srli_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(1), places), 1);
    return (lanes)_mm256_srav_epi32((__m256i)(product + plus + (product >> 31)), places);
}

INLINE bytes packed(sums sum, int zero_point, int low, int high)
{
    const __m256i zero = _mm256_set1_epi16((int16_t)zero_point);
    const __m256i mixed = _mm256_adds_epi16(_mm256_packs_epi32((__m256i)sum.of[0], (__m256i)sum.of[1]), zero);
    const __m256i all = _mm256_permute4x64_epi64(mixed, 0xD8);
    const __m128i narrow = _mm_packs_epi16(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    return (bytes)_mm_min_epi8(_mm_max_epi8(narrow, _mm_set1_epi8((int8_t)low)), _mm_set1_epi8((int8_t)high));
}
