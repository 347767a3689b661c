// How blocks are rounded to Q8; included by quantize_kernel.inc.

// Candidates for a block's scale: so many steps below, and above, the smallest that reaches the largest magnitude.
#define q8_STEPS_BELOW 1
#define q8_STEPS_ABOVE 2
// What stands for level 0.
#define q8_ZERO 0
#define q8_WHOLE true

// Integers between -127 and 127 are levels, and stored as such.
INLINE_OP void q8_nearest(const b16x *values, b16x *levels, b16x *stored) {
  for (int part = 0; part < PARTS; part++) levels[part] = stored[part] = values[part];
}

INLINE_OP void q8_store(const int8_t *block, size_t count, uint8_t *out) { memcpy(out, block, count); }
