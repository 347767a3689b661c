// IQ1_S: eight trits an index, all moved up or down by an eighth.
#define CK_IQ1_S_GEOMETRY                                                                       \
  {                                                                                             \
    .block_columns = 256, .block_bytes = 50, .low_bits = 2, .high_bits = 1, .part_columns = 32, \
    .part_scales = CK_PARTS_UNSIGNED, .levels = ck_iq1_level, .own_halvings = 3                 \
  }

static inline void iq1_s_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  for (size_t part = 0; part < 8; part++) {
    const uint16_t high = block_u16(stored + 34 + 2 * part);
    block->scales[part] = (uint8_t)(2 * (high >> 12 & 7) + 1);
    for (size_t i = 0; i < 4; i++) {
      const size_t index = (size_t)(stored[2 + 4 * part + i] | (high >> 3 * i & 7) << 8);
      ck_grid_trits(ck_grid_iq1[index], high >> 15, block->codes + 32 * part + 8 * i);
    }
  }
}
