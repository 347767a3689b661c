// Q4_0: sixteen levels with a scale for 32 columns.
#define CK_Q4_0_GEOMETRY                                                                                     \
  {                                                                                                          \
    .block_columns = 32, .block_bytes = 18, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_HALF, \
    .code_bias = 8                                                                                           \
  }

static inline void q4_0_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block_halves(stored + 2, 32, block->codes);
}
