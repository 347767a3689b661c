// Q5_1: Q5_0 with a minimum instead of a bias.
#define CK_Q5_1_GEOMETRY                                                                       \
  {                                                                                            \
    .block_columns = 32, .block_bytes = 24, .low_bits = 4, .high_bits = 1, .part_columns = 32, \
    .part_scales = CK_PARTS_HALF, .has_mins = true                                             \
  }

static inline void q5_1_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block->m = block_u16(stored + 2);
  block_halves(stored + 8, 32, block->codes);
  block_fifth_bits(block_u32(stored + 4), block->codes);
}
