// What the int8 matmuls of AVX-512 share: sixteen int32 lanes, and four columns of sixteen rows, in a register each.
// VPDPBUSD takes the weights as unsigned bytes (level plus 128) and the rows as signed; a block's sum starts at minus
// 128 times the sum of the row. Included inside the including file's target attribute.
#include "v16_avx512.h"

typedef __m512i i16;
typedef __m512i w64;

INLINE_OP i16 i16_set(int32_t sum) { return _mm512_set1_epi32(sum); }
INLINE_OP i16 i16_start(const int16_t *sums) {
  int32_t two;
  memcpy(&two, sums, sizeof two);
  return _mm512_madd_epi16(_mm512_set1_epi32(two), _mm512_set1_epi16(-128));
}
// Its table of truth says the first operand, whatever the others are; but the processor waits for them.
INLINE_OP i16 i16_after(i16 sum, i16 other) {
  __asm__("vpternlogd $0xF0, %1, %1, %0" : "+v"(sum) : "v"(other));
  return sum;
}
INLINE_OP v16 i16_to_v16(i16 sum) { return _mm512_cvtepi32_ps(sum); }
INLINE_OP i16 i16_dot(i16 sum, w64 w, const uint8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(four));
}
INLINE_OP w64 w64_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
INLINE_OP void w64_store(uint8_t *p, w64 w) { _mm512_storeu_si512(p, w); }
INLINE_OP v16 scale_bytes(const uint8_t *p) {
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(bytes, 19), _mm512_set1_epi32(0x38000000)));
}
INLINE_OP w64 w64_lowered(w64 w, const int by) { return _mm512_sub_epi8(w, _mm512_set1_epi8((char)by)); }
INLINE_OP i16 i16_load(const int32_t *p) { return _mm512_loadu_si512(p); }
