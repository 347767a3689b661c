// INT4: sixteen levels with a bf16 scale for 32 columns. Codes lie in pairs, as compressed-tensors' words have them,
// whose scales lie apart: whoever reads such a checkpoint puts blocks together.
#define CK_INT4_GEOMETRY                                                                                       \
  {                                                                                                            \
    .block_columns = 32, .block_bytes = 18, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_BFLOAT, \
    .code_bias = 8                                                                                             \
  }

static inline void int4_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block_pairs(stored + 2, 32, block->codes);
}
