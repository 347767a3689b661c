// Q5_0: 32 levels with a scale for 32 columns.
#define CK_Q5_0_GEOMETRY                                                                       \
  {                                                                                            \
    .block_columns = 32, .block_bytes = 22, .low_bits = 4, .high_bits = 1, .part_columns = 32, \
    .part_scales = CK_PARTS_HALF, .code_bias = 16                                              \
  }

static inline void q5_0_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block_halves(stored + 6, 32, block->codes);
  block_fifth_bits(block_u32(stored + 2), block->codes);
}
