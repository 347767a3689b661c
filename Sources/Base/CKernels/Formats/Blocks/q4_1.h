// Q4_1: Q4_0 with a minimum instead of a bias.
#define CK_Q4_1_GEOMETRY                                                                                     \
  {                                                                                                          \
    .block_columns = 32, .block_bytes = 20, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_HALF, \
    .has_mins = true                                                                                         \
  }

static inline void q4_1_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block->m = block_u16(stored + 2);
  block_halves(stored + 4, 32, block->codes);
}
