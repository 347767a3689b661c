// TQ1_0: trits, five to a byte.
#define CK_TQ1_0_GEOMETRY                                                                       \
  {                                                                                             \
    .block_columns = 256, .block_bytes = 54, .scale_at = 52, .low_bits = 2, .part_columns = 32, \
    .part_scales = CK_PARTS_UNSIGNED, .code_bias = 1                                            \
  }

// `count` bytes with `digits` trits each: those of one place lie together. The first digit is the top of three times a
// byte.
static inline uint8_t *tq1_0_digits(const uint8_t *bytes, size_t count, size_t digits, uint8_t *codes) {
  uint8_t power = 1;
  for (size_t digit = 0; digit < digits; digit++, power = (uint8_t)(power * 3)) {
    for (size_t i = 0; i < count; i++) *codes++ = (uint8_t)((uint8_t)(bytes[i] * power) * 3 >> 8);
  }
  return codes;
}

static inline void tq1_0_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored + 52);
  memset(block->scales, 1, 8);
  uint8_t *codes = tq1_0_digits(stored, 32, 5, block->codes);
  codes = tq1_0_digits(stored + 32, 16, 5, codes);
  tq1_0_digits(stored + 48, 4, 4, codes);
}
