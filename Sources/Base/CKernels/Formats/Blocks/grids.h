// The grids that the indices of IQ1, IQ2 and IQ3 point into. An entry has two bits for each of eight columns, or three for
// each of four, the first column's lowest.
#ifndef C_KERNELS_GRIDS_H
#define C_KERNELS_GRIDS_H
#include <stddef.h>
#include <stdint.h>

extern const uint16_t ck_grid_iq1[2048], ck_grid_iq2_xxs[256], ck_grid_iq2_xs[512], ck_grid_iq2_s[1024],
    ck_grid_iq3_xxs[256], ck_grid_iq3_s[512];

// Seven bits of signs, and the eighth that makes the number of ones even.
static inline uint8_t ck_even_signs(uint32_t bits) {
  bits &= 127;
  return (uint8_t)(bits | (uint32_t)__builtin_parity(bits) << 7);
}

// Eight columns of an entry of IQ2; a bit of `signs` is a minus.
static inline void ck_grid_eight(uint16_t entry, float scale, int signs, float *out) {
  static const uint8_t magnitudes[4] = {8, 25, 43, 0};
  for (size_t i = 0; i < 8; i++) {
    const float magnitude = scale * (float)magnitudes[entry >> 2 * i & 3];
    out[i] = signs >> i & 1 ? -magnitude : magnitude;
  }
}

// Four columns of an entry of IQ3.
static inline void ck_grid_four(uint16_t entry, const uint8_t magnitudes[8], float scale, int signs, float *out) {
  for (size_t i = 0; i < 4; i++) {
    const float magnitude = scale * (float)magnitudes[entry >> 3 * i & 7];
    out[i] = signs >> i & 1 ? -magnitude : magnitude;
  }
}

// Eight columns of IQ1: a trit and `delta` each.
static inline void ck_grid_trits(size_t index, float scale, float delta, float *out) {
  for (size_t i = 0; i < 8; i++) out[i] = scale * ((float)(ck_grid_iq1[index] >> 2 * i & 3) - 1 + delta);
}
#endif
