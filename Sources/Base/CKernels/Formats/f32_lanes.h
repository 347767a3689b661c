// fp32 in registers: nothing to convert, so that blocks are never expanded.
#define f32_is_exceptional(p, bytes) false
#define f32_scale_is_plain(p) true
#define f32_DIRECT_ROWS SIZE_MAX
#define f32_TILE_ROWS MAX_DIRECT_ROWS

INLINE_OP v16 f32_scale_row(const uint8_t *p) {
  (void)p;
  return v16_zero();
}
INLINE_OP v16 f32_weight(const uint8_t *pair, int odd, v16 scale) {
  (void)scale;
  return v16_load((const float *)(const void *)(pair + 64 * odd));
}
