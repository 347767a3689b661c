// TQ1_0: trits, five to a byte.
#define CK_TQ1_0_GEOMETRY \
  { .block_columns = 256, .block_bytes = 54 }

// `count` bytes with `digits` trits each: those of one place lie together. The first digit is the top of three times a byte.
static inline float *tq1_0_digits(const uint8_t *bytes, size_t count, size_t digits, float d, float *out) {
  uint8_t power = 1;
  for (size_t digit = 0; digit < digits; digit++, power = (uint8_t)(power * 3)) {
    for (size_t i = 0; i < count; i++) *out++ = d * (float)(((uint8_t)(bytes[i] * power) * 3 >> 8) - 1);
  }
  return out;
}

static inline void tq1_0_expand(const uint8_t *stored, float *out) {
  const float d = ck_value_f16(block_u16(stored + 52));
  out = tq1_0_digits(stored, 32, 5, d, out);
  out = tq1_0_digits(stored + 32, 16, 5, d, out);
  tq1_0_digits(stored + 48, 4, 4, d, out);
}
