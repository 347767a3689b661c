// IQ2_XS: eight magnitudes an index of nine bits, beside seven bits of signs, and a scale for 16 columns.
#define CK_IQ2_XS_GEOMETRY \
  { .block_columns = 256, .block_bytes = 74 }

static inline void iq2_xs_expand(const uint8_t *stored, float *out) {
  const float d = ck_value_f16(block_u16(stored));
  for (size_t index = 0; index < 32; index++, out += 8) {
    const uint16_t word = block_u16(stored + 2 + 2 * index);
    const int s = stored[66 + index / 4] >> index / 2 % 2 * 4 & 15;
    ck_grid_eight(ck_grid_iq2_xs[word & 511], d * (0.5f + (float)s) * 0.25f, ck_even_signs(word >> 9), out);
  }
}
