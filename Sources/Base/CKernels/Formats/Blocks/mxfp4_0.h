// MXFP4 in blocks with their scale: the same values as mxfp4.h, nibbles in another order. Levels are doubled, and so
// scales halved.
#define CK_MXFP4_0_GEOMETRY                                                                                      \
  {                                                                                                              \
    .block_columns = 32, .block_bytes = 17, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_EXPONENT, \
    .levels = ck_e2m1_level                                                                                      \
  }

static inline void mxfp4_0_decode(const uint8_t *stored, ck_block *block) {
  block->d = stored[0];
  block_halves(stored + 1, 32, block->codes);
}
