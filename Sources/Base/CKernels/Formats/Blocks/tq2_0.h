// TQ2_0: two bits a column, a scale for 256.
#define CK_TQ2_0_GEOMETRY \
  { .block_columns = 256, .block_bytes = 66 }

static inline void tq2_0_expand(const uint8_t *stored, float *out) {
  const float d = ck_value_f16(block_u16(stored + 64));
  uint8_t codes[256];
  block_quarters(stored, codes);
  block_quarters(stored + 32, codes + 128);
  for (size_t i = 0; i < 256; i++) out[i] = d * (float)(codes[i] - 1);
}
