// IQ4_NL: indices into sixteen levels that lie closer together near zero, with a scale for 32 columns.
#define CK_IQ4_NL_GEOMETRY                                                                                   \
  {                                                                                                          \
    .block_columns = 32, .block_bytes = 18, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_HALF, \
    .levels = ck_iq4_level                                                                                   \
  }

static inline void iq4_nl_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block_halves(stored + 2, 32, block->codes);
}
