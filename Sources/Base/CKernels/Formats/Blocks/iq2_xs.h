// IQ2_XS: eight magnitudes an index of nine bits, beside seven bits of signs, and a scale for 16 columns.
#define CK_IQ2_XS_GEOMETRY                                                                      \
  {                                                                                             \
    .block_columns = 256, .block_bytes = 74, .low_bits = 2, .high_bits = 1, .part_columns = 16, \
    .part_scales = CK_PARTS_UNSIGNED, .levels = ck_iq2_level, .own_halvings = 3                 \
  }

static inline void iq2_xs_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block_odd_scales(stored + 66, 16, block->scales);
  for (size_t i = 0; i < 32; i++) {
    const uint16_t word = block_u16(stored + 2 + 2 * i);
    ck_grid_eight(ck_grid_iq2_xs[word & 511], ck_even_signs(word >> 9), block->codes + 8 * i);
  }
}
