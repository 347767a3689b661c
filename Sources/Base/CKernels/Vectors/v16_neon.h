// Sixteen fp32 lanes in four Advanced SIMD registers.
#define V16_NEON
#define INLINE_OP static inline __attribute__((always_inline))

typedef struct {
  float32x4_t q[4];
} v16;

// For each quarter i of v.
#define QUARTERS _Pragma("clang loop unroll(full)") for (int i = 0; i < 4; i++)

INLINE_OP v16 v16_zero(void) {
  v16 v;
  QUARTERS v.q[i] = vdupq_n_f32(0);
  return v;
}
INLINE_OP v16 v16_load(const float *p) {
  v16 v;
  QUARTERS v.q[i] = vld1q_f32(p + 4 * i);
  return v;
}
INLINE_OP void v16_store(float *p, v16 v) { QUARTERS vst1q_f32(p + 4 * i, v.q[i]); }
INLINE_OP v16 v16_load_some(const float *p, size_t lanes) {
  float buffer[CK_PANEL] = {0};
  memcpy(buffer, p, lanes * sizeof(float));
  return v16_load(buffer);
}
INLINE_OP void v16_store_some(float *p, v16 v, size_t lanes) {
  float buffer[CK_PANEL];
  v16_store(buffer, v);
  memcpy(p, buffer, lanes * sizeof(float));
}
INLINE_OP v16 v16_broadcast(const float *p) {
  const float32x4_t value = vld1q_dup_f32(p);
  v16 v;
  QUARTERS v.q[i] = value;
  return v;
}
INLINE_OP v16 v16_add(v16 a, v16 b) {
  QUARTERS a.q[i] = vaddq_f32(a.q[i], b.q[i]);
  return a;
}
INLINE_OP v16 v16_multiply(v16 a, v16 b) {
  QUARTERS a.q[i] = vmulq_f32(a.q[i], b.q[i]);
  return a;
}
INLINE_OP v16 v16_fma(v16 a, v16 b, v16 c) {
  QUARTERS c.q[i] = vfmaq_f32(c.q[i], a.q[i], b.q[i]);
  return c;
}

INLINE_OP void v16_pin(v16 *v) { QUARTERS __asm__ volatile("" : "+w"(v->q[i])); }
