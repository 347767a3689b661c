// The grids that the indices of IQ1, IQ2 and IQ3 point into. An entry has two bits for each of eight columns, or three
// for each of four, the first column's lowest.
#ifndef C_KERNELS_GRIDS_H
#define C_KERNELS_GRIDS_H
#include "block.h"

extern const uint16_t ck_grid_iq1[2048], ck_grid_iq2_xxs[256], ck_grid_iq2_xs[512], ck_grid_iq2_s[1024],
    ck_grid_iq3_xxs[256], ck_grid_iq3_s[512];

// Seven bits of signs, and the eighth that makes the number of ones even.
static inline uint8_t ck_even_signs(uint32_t bits) {
  bits &= 127;
  return (uint8_t)(bits | (uint32_t)__builtin_parity(bits) << 7);
}

// Two bits for each of eight columns, each pair as a byte.
static inline uint64_t ck_spread_pairs(uint16_t entry) {
  uint64_t pairs = entry;
  pairs = (pairs | pairs << 24) & UINT64_C(0x000000FF000000FF);
  pairs = (pairs | pairs << 12) & UINT64_C(0x000F000F000F000F);
  return (pairs | pairs << 6) & UINT64_C(0x0303030303030303);
}

// Codes of eight columns of an entry of IQ2: magnitudes, and above them the signs, of which a one is a minus.
static inline void ck_grid_eight(uint16_t entry, int signs, uint8_t *codes) {
  const uint64_t eight = ck_spread_pairs(entry) | block_spread_bits((uint32_t)signs) << 2;
  memcpy(codes, &eight, sizeof eight);
}

// Codes of four columns of an entry of IQ3, likewise.
static inline void ck_grid_four(uint16_t entry, int signs, uint8_t *codes) {
  const uint32_t e = entry;
  const uint32_t four = (e & 7) | (e & 0x38) << 5 | (e & 0x1C0) << 10 | (e & 0xE00) << 15 |
                        (uint32_t)block_spread_bits((uint32_t)signs & 15) << 3;
  memcpy(codes, &four, sizeof four);
}

// Codes of eight columns of IQ1: trits, and above them whether an eighth is taken away.
static inline void ck_grid_trits(uint16_t entry, int is_less, uint8_t *codes) {
  const uint64_t eight = ck_spread_pairs(entry) | UINT64_C(0x0404040404040404) * (uint64_t)is_less;
  memcpy(codes, &eight, sizeof eight);
}
#endif
