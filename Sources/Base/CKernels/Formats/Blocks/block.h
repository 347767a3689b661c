// A block of GGUF's taken apart, and what block formats are made of. Layouts: ../../include/blocks.h.
#ifndef C_KERNELS_BLOCK_H
#define C_KERNELS_BLOCK_H
#include <stdint.h>
#include <string.h>

#define CK_MOST_BLOCK_COLUMNS 256

// A block of a format that panels hold: codes by column, and the scale and minimum of each of its parts, which are
// integers where the block has d and m for all of them, and else one, whose d and m are its own.
typedef struct {
  uint8_t codes[CK_MOST_BLOCK_COLUMNS];
  uint8_t scales[16], mins[16];
  // f16, bf16 or E8M0; m is the zero where there are zeros.
  uint16_t d, m;
} ck_block;

static inline uint16_t block_u16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }
static inline uint32_t block_u32(const uint8_t *at) {
  return (uint32_t)block_u16(at) | (uint32_t)block_u16(at + 2) << 16;
}

// An f16 in the top four bits of four u16, the first one's the lowest.
static inline uint16_t block_scattered(const uint8_t *at) {
  uint32_t bits = 0;
  for (size_t i = 0; i < 4; i++) bits |= (uint32_t)(block_u16(at + 2 * i) >> 12) << 4 * i;
  return (uint16_t)bits;
}

// Codes of count columns from count / 2 bytes: the low halves, then the high ones.
static inline void block_halves(const uint8_t *nibbles, size_t count, uint8_t *codes) {
  for (size_t i = 0; i < count / 2; i++) {
    codes[i] = nibbles[i] & 15;
    codes[i + count / 2] = nibbles[i] >> 4;
  }
}

// The same where a byte holds two columns that follow each other.
static inline void block_pairs(const uint8_t *nibbles, size_t count, uint8_t *codes) {
  for (size_t i = 0; i < count / 2; i++) {
    codes[2 * i] = nibbles[i] & 15;
    codes[2 * i + 1] = nibbles[i] >> 4;
  }
}

// Codes of 128 columns from 32 bytes, two bits each.
static inline void block_quarters(const uint8_t *bytes, uint8_t *codes) {
  for (size_t part = 0; part < 4; part++) {
    for (size_t i = 0; i < 32; i++) codes[32 * part + i] = bytes[i] >> 2 * part & 3;
  }
}

// Eight bits, each as a byte of zero or one, the first one's the lowest.
static inline uint64_t block_spread_bits(uint32_t bits) {
  const uint64_t each = (bits & 255) * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
  return (each + UINT64_C(0x7F7F7F7F7F7F7F7F)) >> 7 & UINT64_C(0x0101010101010101);
}

// Adds to the codes of 32 columns a fifth bit each.
static inline void block_fifth_bits(uint32_t bits, uint8_t *codes) {
  for (size_t i = 0; i < 4; i++) {
    uint64_t eight;
    memcpy(&eight, codes + 8 * i, sizeof eight);
    eight |= block_spread_bits(bits >> 8 * i) << 4;
    memcpy(codes + 8 * i, &eight, sizeof eight);
  }
}

// Scales 2 s + 1 of IQ2 and IQ3, of four bits s each, the low half of a byte first.
static inline void block_odd_scales(const uint8_t *bytes, size_t count, uint8_t *scales) {
  for (size_t i = 0; i < count; i++) scales[i] = (uint8_t)(2 * (bytes[i / 2] >> i % 2 * 4 & 15) + 1);
}

// The eight scales and minima of Q4_K and Q5_K, six bits each, from twelve bytes.
static inline void block_six_bits(const uint8_t *bytes, uint8_t *scales, uint8_t *mins) {
  for (size_t j = 0; j < 4; j++) {
    scales[j] = bytes[j] & 63;
    mins[j] = bytes[j + 4] & 63;
    scales[j + 4] = (uint8_t)((bytes[j + 8] & 15) | bytes[j] >> 6 << 4);
    mins[j + 4] = (uint8_t)(bytes[j + 8] >> 4 | bytes[j + 4] >> 6 << 4);
  }
}
#endif
