// Sixteen fp32 lanes in two AVX registers; included inside the including file's target attribute.
#define V16_AVX2
#define INLINE_OP static inline __attribute__((always_inline))

typedef struct {
  __m256 low, high;
} v16;

INLINE_OP v16 v16_of(__m256 low, __m256 high) {
  const v16 v = {low, high};
  return v;
}
INLINE_OP v16 v16_zero(void) { return v16_of(_mm256_setzero_ps(), _mm256_setzero_ps()); }
INLINE_OP v16 v16_load(const float *p) { return v16_of(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)); }
INLINE_OP void v16_store(float *p, v16 v) {
  _mm256_storeu_ps(p, v.low);
  _mm256_storeu_ps(p + 8, v.high);
}
// Ones in the first `lanes` of the eight lanes from `from`.
INLINE_OP __m256i first_lanes(size_t lanes, int from) {
  const __m256i index = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(from));
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)lanes), index);
}
INLINE_OP v16 v16_load_some(const float *p, size_t lanes) {
  return v16_of(_mm256_maskload_ps(p, first_lanes(lanes, 0)), _mm256_maskload_ps(p + 8, first_lanes(lanes, 8)));
}
INLINE_OP void v16_store_some(float *p, v16 v, size_t lanes) {
  _mm256_maskstore_ps(p, first_lanes(lanes, 0), v.low);
  _mm256_maskstore_ps(p + 8, first_lanes(lanes, 8), v.high);
}
INLINE_OP v16 v16_broadcast(const float *p) {
  const __m256 v = _mm256_broadcast_ss(p);
  return v16_of(v, v);
}
INLINE_OP v16 v16_add(v16 a, v16 b) { return v16_of(_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)); }
INLINE_OP v16 v16_multiply(v16 a, v16 b) { return v16_of(_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)); }
INLINE_OP v16 v16_fma(v16 a, v16 b, v16 c) {
  return v16_of(_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high));
}

INLINE_OP void v16_pin(v16 *v) { __asm__ volatile("" : "+x"(v->low), "+x"(v->high)); }
