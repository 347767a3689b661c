// TQ2_0: two bits a column, a scale for 256.
#define CK_TQ2_0_GEOMETRY                                                                       \
  {                                                                                             \
    .block_columns = 256, .block_bytes = 66, .scale_at = 64, .low_bits = 2, .part_columns = 32, \
    .part_scales = CK_PARTS_UNSIGNED, .code_bias = 1                                            \
  }

static inline void tq2_0_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored + 64);
  memset(block->scales, 1, 8);
  block_quarters(stored, block->codes);
  block_quarters(stored + 32, block->codes + 128);
}
