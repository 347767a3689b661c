// IQ3_S: four magnitudes an index of nine bits, eight bits of signs for eight columns, and a scale for 32.
#define CK_IQ3_S_GEOMETRY \
  { .block_columns = 256, .block_bytes = 110 }

static inline void iq3_s_expand(const uint8_t *stored, float *out) {
  static const uint8_t magnitudes[8] = {1, 3, 5, 7, 9, 11, 13, 15};
  const float d = ck_value_f16(block_u16(stored));
  for (size_t index = 0; index < 64; index++, out += 4) {
    const int high = stored[66 + index / 8] >> index % 8 & 1;
    const int s = stored[106 + index / 16] >> index / 8 % 2 * 4 & 15;
    const int signs = stored[74 + index / 2] >> index % 2 * 4;
    ck_grid_four(ck_grid_iq3_s[stored[2 + index] | high << 8], magnitudes, d * (float)(1 + 2 * s), signs, out);
  }
}
