// IQ3_S: four magnitudes an index of nine bits, eight bits of signs for eight columns, and a scale for 32.
#define CK_IQ3_S_GEOMETRY                                                                                          \
  {                                                                                                                \
    .block_columns = 256, .block_bytes = 110, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_UNSIGNED, \
    .levels = ck_iq3_s_level                                                                                       \
  }

static inline void iq3_s_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block_odd_scales(stored + 106, 8, block->scales);
  for (size_t i = 0; i < 64; i++) {
    const int high = stored[66 + i / 8] >> i % 8 & 1;
    ck_grid_four(ck_grid_iq3_s[stored[2 + i] | high << 8], stored[74 + i / 2] >> i % 2 * 4, block->codes + 4 * i);
  }
}
