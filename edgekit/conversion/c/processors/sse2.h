#include <emmintrin.h>
#define PLACES 2
#define PAIRS(a, b) (lanes)_mm_madd_epi16((__m128i)(a), (__m128i)(b))
#define WIDE_low(a) ((shorts)_mm_unpacklo_epi8((__m128i)(a), (__m128i)(a)) >> 8)
#define WIDE_high(a) ((shorts)_mm_unpackhi_epi8((__m128i)(a), (__m128i)(a)) >> 8)
#define MIXED_low(a, b) (bytes)_mm_unpacklo_epi8((__m128i)(a), (__m128i)(b))
#define MIXED_high(a, b) (bytes)_mm_unpackhi_epi8((__m128i)(a), (__m128i)(b))
#define WIDER_low(a) ((lanes)_mm_unpacklo_epi16((__m128i)(a), (__m128i)(a)) >> 16)
#define WIDER_high(a) ((lanes)_mm_unpackhi_epi16((__m128i)(a), (__m128i)(a)) >> 16)

/* (a * b + plus) / 2^31, rounded down, of factors b that are not negative: SSE2 takes a for unsigned. */
INLINE lanes high_31(lanes a, lanes b, int64_t plus)
{
    const __m128i x = (__m128i)a, y = (__m128i)b, more = _mm_set1_epi64x(plus);
    const __m128i upper = _mm_set1_epi64x(-(INT64_C(1) << 32));
    const __m128i even = _mm_srli_epi64(_mm_add_epi64(_mm_mul_epu32(x, y), more), 31);
    const __m128i odd = _mm_slli_epi64(_mm_add_epi64(_mm_mul_epu32(
        _mm_srli_epi64(x, 32), _mm_srli_epi64(y, 32)), more), 1);
    const __m128i both = _mm_or_si128(_mm_andnot_si128(upper, even), _mm_and_si128(upper, odd));
    return (lanes)_mm_sub_epi32(both, _mm_and_si128(_mm_srai_epi32(x, 31), _mm_add_epi32(y, y)));
}

INLINE bytes packed(sums sum, int zero_point, int low, int high)
{
    const __m128i zero = _mm_set1_epi16((int16_t)zero_point);
    const __m128i least = _mm_set1_epi16((int16_t)low), most = _mm_set1_epi16((int16_t)high);
    const __m128i first = _mm_adds_epi16(_mm_packs_epi32((__m128i)sum.of[0], (__m128i)sum.of[1]), zero);
    const __m128i last = _mm_adds_epi16(_mm_packs_epi32((__m128i)sum.of[2], (__m128i)sum.of[3]), zero);
    return (bytes)_mm_packs_epi16(
        _mm_min_epi16(_mm_max_epi16(first, least), most), _mm_min_epi16(_mm_max_epi16(last, least), most));
}
