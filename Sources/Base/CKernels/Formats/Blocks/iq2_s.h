// IQ2_S: eight magnitudes an index of ten bits, eight bits of signs, and a scale for 16 columns.
#define CK_IQ2_S_GEOMETRY \
  { .block_columns = 256, .block_bytes = 82 }

static inline void iq2_s_expand(const uint8_t *stored, float *out) {
  const float d = ck_value_f16(block_u16(stored));
  for (size_t index = 0; index < 32; index++, out += 8) {
    const int high = stored[66 + index / 4] >> index % 4 * 2 & 3;
    const int s = stored[74 + index / 4] >> index / 2 % 2 * 4 & 15;
    ck_grid_eight(ck_grid_iq2_s[stored[2 + index] | high << 8], d * (0.5f + (float)s) * 0.25f, stored[34 + index], out);
  }
}
