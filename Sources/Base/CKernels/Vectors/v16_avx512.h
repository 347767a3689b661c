// Sixteen fp32 lanes in one AVX-512 register; included inside the including file's target attribute.
#define V16_AVX512
#define INLINE_OP static inline __attribute__((always_inline))

typedef __m512 v16;

INLINE_OP v16 v16_zero(void) { return _mm512_setzero_ps(); }
INLINE_OP v16 v16_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE_OP __mmask16 first_lanes(size_t lanes) { return (__mmask16)((1u << lanes) - 1); }
INLINE_OP v16 v16_load_some(const float *p, size_t lanes) { return _mm512_maskz_loadu_ps(first_lanes(lanes), p); }
INLINE_OP void v16_store(float *p, v16 v) { _mm512_storeu_ps(p, v); }
INLINE_OP void v16_store_some(float *p, v16 v, size_t lanes) { _mm512_mask_storeu_ps(p, first_lanes(lanes), v); }
INLINE_OP v16 v16_broadcast(const float *p) { return _mm512_set1_ps(*p); }
INLINE_OP v16 v16_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
INLINE_OP v16 v16_multiply(v16 a, v16 b) { return _mm512_mul_ps(a, b); }
INLINE_OP v16 v16_fma(v16 a, v16 b, v16 c) { return _mm512_fmadd_ps(a, b, c); }
INLINE_OP void v16_pin(v16 *v) { __asm__ volatile("" : "+v"(*v)); }
