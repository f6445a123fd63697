#ifdef __AVX2__
#define LANES 8
#else
#define LANES 4
#endif
typedef int32_t lanes __attribute__((vector_size(4 * LANES)));
typedef float floats __attribute__((vector_size(16)));
typedef int16_t shorts __attribute__((vector_size(16)));
typedef int8_t bytes __attribute__((vector_size(16)));
typedef struct {
    lanes of[16 / LANES];
} sums;
#define VALUE(sum, o) (sum).of[(o) / LANES][(o) % LANES]

INLINE bytes some(const int8_t *from, int n)
{
    bytes read = {0};
    memcpy(&read, from, (size_t)n);
    return read;
}
