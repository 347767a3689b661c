// How blocks are rounded to Q4; included by quantize_kernel.inc.

// Candidates for a block's scale: so many steps below, and above, the smallest that reaches the largest magnitude.
#define q4_STEPS_BELOW 10
#define q4_STEPS_ABOVE 1
_Static_assert((q4_STEPS_BELOW + 1 + q4_STEPS_ABOVE) % 4 == 0, "errors are found four at a time");
// What stands for level 0.
#define q4_ZERO ck_q4_zero
#define q4_WHOLE false

// Of each integer the level nearest to it, and that level's index: how many thresholds it reaches.
INLINE_OP void q4_nearest(const b16x *values, b16x *levels, b16x *indices) {
  static const int8_t table[16] = CK_Q4_LEVELS, thresholds[16] = CK_Q4_THRESHOLDS;
  b64x value;
  value.lo.lo = values[0];
  value.lo.hi = values[1];
  value.hi.lo = values[2];
  value.hi.hi = values[3];
  b64x level = table[0], index = 0;
#pragma clang loop unroll(full)
  for (int i = 1; i < 16; i++) {
    const b64x reached = __builtin_convertvector(value >= (b64x)thresholds[i], b64x);
    level += reached & (b64x)(int8_t)(table[i] - table[i - 1]);
    index -= reached;
  }
  memcpy(levels, &level, sizeof level);
  memcpy(indices, &index, sizeof index);
}

INLINE_OP void q4_store(const int8_t *block, size_t count, uint8_t *out) {
  for (size_t j = 0; j * 8 < count; j++) {
    for (size_t i = 0; i < 4; i++) out[4 * j + i] = (uint8_t)(block[8 * j + i] | block[8 * j + 4 + i] << 4);
  }
}
