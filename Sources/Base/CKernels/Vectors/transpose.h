// Squares of bytes turned with the compiler's own vectors, the same on every processor.
#ifndef C_KERNELS_TRANSPOSE_H
#define C_KERNELS_TRANSPOSE_H
#include <stdint.h>

// Sixteen bytes of one row, as elements of each width: transposed by rounds of interleaving.
typedef uint8_t bytes16 __attribute__((vector_size(16)));

static inline bytes16 interleave_low1(bytes16 a, bytes16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
static inline bytes16 interleave_high1(bytes16 a, bytes16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
static inline bytes16 interleave_low2(bytes16 a, bytes16 b) {
  return __builtin_shufflevector(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
}
static inline bytes16 interleave_high2(bytes16 a, bytes16 b) {
  return __builtin_shufflevector(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
}
static inline bytes16 interleave_low4(bytes16 a, bytes16 b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
}
static inline bytes16 interleave_high4(bytes16 a, bytes16 b) {
  return __builtin_shufflevector(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
}

// Transposes `side` vectors of `side` elements (side * width == 16): each round pairs vector i with vector
// i + side / 2, which doubles the run of rows held together.
#define DEFINE_TRANSPOSE(width, side)                                    \
  static inline void transpose##width(bytes16 v[side]) {                 \
    for (int run = 1; run < side; run *= 2) {                            \
      bytes16 next[side];                                                \
      for (int i = 0; i < side / 2; i++) {                               \
        next[2 * i] = interleave_low##width(v[i], v[i + side / 2]);      \
        next[2 * i + 1] = interleave_high##width(v[i], v[i + side / 2]); \
      }                                                                  \
      for (int i = 0; i < side; i++) v[i] = next[i];                     \
    }                                                                    \
  }
DEFINE_TRANSPOSE(1, 16)
DEFINE_TRANSPOSE(2, 8)
DEFINE_TRANSPOSE(4, 4)
#endif
