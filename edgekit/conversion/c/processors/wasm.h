#include <wasm_simd128.h>
#define PLACES 2
#define PAIRS(a, b) (lanes)wasm_i32x4_dot_i16x8((v128_t)(a), (v128_t)(b))
#define WIDE_low(a) (shorts)wasm_i16x8_extend_low_i8x16((v128_t)(a))
#define WIDE_high(a) (shorts)wasm_i16x8_extend_high_i8x16((v128_t)(a))
#define MIXED_low(a, b) \
    (bytes)wasm_i8x16_shuffle((v128_t)(a), (v128_t)(b), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define MIXED_high(a, b) \
    (bytes)wasm_i8x16_shuffle((v128_t)(a), (v128_t)(b), 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define WIDER_low(a) (lanes)wasm_i32x4_extend_low_i16x8((v128_t)(a))
#define WIDER_high(a) (lanes)wasm_i32x4_extend_high_i16x8((v128_t)(a))

/* (a * b + plus) / 2^31, rounded down, of factors b that are not negative. */
INLINE lanes high_31(lanes a, lanes b, int64_t plus)
{
    const v128_t more = wasm_i64x2_splat(plus);
    const v128_t low = wasm_i64x2_add(wasm_i64x2_extmul_low_i32x4((v128_t)a, (v128_t)b), more);
    const v128_t high = wasm_i64x2_add(wasm_i64x2_extmul_high_i32x4((v128_t)a, (v128_t)b), more);
    return (lanes)wasm_i32x4_shuffle(wasm_i64x2_shr(low, 31), wasm_i64x2_shr(high, 31), 0, 2, 4, 6);
}

INLINE bytes packed(sums sum, int zero_point, int low, int high)
{
    const v128_t zero = wasm_i16x8_splat((int16_t)zero_point);
    const v128_t first = wasm_i16x8_narrow_i32x4((v128_t)sum.of[0], (v128_t)sum.of[1]);
    const v128_t last = wasm_i16x8_narrow_i32x4((v128_t)sum.of[2], (v128_t)sum.of[3]);
    const v128_t all = wasm_i8x16_narrow_i16x8(wasm_i16x8_add_sat(first, zero), wasm_i16x8_add_sat(last, zero));
    return (bytes)wasm_i8x16_min(wasm_i8x16_max(all, wasm_i8x16_splat((int8_t)low)), wasm_i8x16_splat((int8_t)high));
}
