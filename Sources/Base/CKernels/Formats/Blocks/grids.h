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

// Codes of eight columns of an entry of IQ2: magnitudes, and above them the signs, of which a one is a minus.
static inline void ck_grid_eight(uint16_t entry, int signs, uint8_t *codes) {
  for (size_t i = 0; i < 8; i++) codes[i] = (uint8_t)((entry >> 2 * i & 3) | (signs >> i & 1) << 2);
}

// Codes of four columns of an entry of IQ3, likewise.
static inline void ck_grid_four(uint16_t entry, int signs, uint8_t *codes) {
  for (size_t i = 0; i < 4; i++) codes[i] = (uint8_t)((entry >> 3 * i & 7) | (signs >> i & 1) << 3);
}

// Codes of eight columns of IQ1: trits, and above them whether an eighth is taken away.
static inline void ck_grid_trits(uint16_t entry, int is_less, uint8_t *codes) {
  for (size_t i = 0; i < 8; i++) codes[i] = (uint8_t)((entry >> 2 * i & 3) | is_less << 2);
}
#endif
