// IQ2_S: eight magnitudes an index of ten bits, eight bits of signs, and a scale for 16 columns.
#define CK_IQ2_S_GEOMETRY                                                                       \
  {                                                                                             \
    .block_columns = 256, .block_bytes = 82, .low_bits = 2, .high_bits = 1, .part_columns = 16, \
    .part_scales = CK_PARTS_UNSIGNED, .levels = ck_iq2_level, .own_halvings = 3                 \
  }

static inline void iq2_s_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block_odd_scales(stored + 74, 16, block->scales);
  for (size_t i = 0; i < 32; i++) {
    const int high = stored[66 + i / 4] >> i % 4 * 2 & 3;
    ck_grid_eight(ck_grid_iq2_s[stored[2 + i] | high << 8], stored[34 + i], block->codes + 8 * i);
  }
}
