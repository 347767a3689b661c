// Matmul on AVX-512 F, BW, VL, DQ: one register is the sixteen lanes.
#if defined(__x86_64__)
#include <immintrin.h>

#include "matmul_internal.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), \
                             apply_to = function)

#include "v16_avx512.h"

INLINE_OP v16 scale_row(ck_format format, const uint8_t *p) {
  if (format == CK_F8E4M3) return _mm512_mul_ps(_mm512_loadu_ps(p), _mm512_set1_ps(0x1p8f));
  if (format != CK_MXFP4) return _mm512_setzero_ps();
  // E8M0: the byte is the exponent field; 0 is the subnormal 2^-127 and 255 NaN.
  const __m512i bits = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
  __m512i value = _mm512_slli_epi32(bits, 23);
  value = _mm512_mask_mov_epi32(value, _mm512_testn_epi32_mask(bits, bits), _mm512_set1_epi32(0x00400000));
  value = _mm512_mask_mov_epi32(value, _mm512_cmpeq_epi32_mask(bits, _mm512_set1_epi32(255)),
                                _mm512_set1_epi32(0x7FC00000));
  return _mm512_castsi512_ps(value);
}

// Sixteen F8E4M3 bytes to their values times 2^-8, by way of f16 (whose exponent's bias is 8 more): exponent and
// fraction go to its place; of the copies of the sign the mask keeps the top one. No subnormal fp32 arises, which
// would be slow to multiply.
INLINE_OP v16 f8_values(const uint8_t *p) {
  const __m256i words = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7);
  return _mm512_cvtph_ps(_mm256_and_si256(words, _mm256_set1_epi16((short)0xBF80)));
}

// Nibbles in the low four bits of each lane to E2M1 values; the rest is ignored.
INLINE_OP v16 fp4_values(__m512i nibbles) {
  const __m512 values = _mm512_set_ps(-6.0f, -4.0f, -3.0f, -2.0f, -1.5f, -1.0f, -0.5f, -0.0f, 6.0f, 4.0f, 3.0f, 2.0f,
                                      1.5f, 1.0f, 0.5f, 0.0f);
  return _mm512_permutexvar_ps(nibbles, values);
}

INLINE_OP v16 weight(ck_format format, const uint8_t *pair, int odd, v16 scale) {
  switch (format) {
    case CK_F32: return _mm512_loadu_ps(pair + 64 * odd);
    case CK_BF16: {
      const __m512i both = _mm512_loadu_si512(pair);
      return _mm512_castsi512_ps(odd ? _mm512_and_si512(both, _mm512_set1_epi32((int)0xFFFF0000))
                                     : _mm512_slli_epi32(both, 16));
    }
    case CK_F16: return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(pair + 32 * odd)));
    case CK_F8E4M3: return _mm512_mul_ps(f8_values(pair + 16 * odd), scale);
    case CK_MXFP4: {
      __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)pair));
      // Opaque, or the compiler shifts before it extends, where that takes two instructions.
      __asm__("" : "+v"(bytes));
      return _mm512_mul_ps(fp4_values(odd ? _mm512_srli_epi32(bytes, 4) : bytes), scale);
    }
    default: return v16_zero();
  }
}

// NaN is 0x7F or 0xFF: the greatest byte, read as signed or as unsigned.
INLINE_OP bool f8_has_nan(const uint8_t *p, size_t bytes) {
  __m512i greatest = _mm512_setzero_si512(), greatest_unsigned = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 64 <= bytes; i += 64) {
    const __m512i v = _mm512_loadu_si512(p + i);
    greatest = _mm512_max_epi8(greatest, v);
    greatest_unsigned = _mm512_max_epu8(greatest_unsigned, v);
  }
  if (i < bytes) {
    const __m512i v = _mm512_maskz_loadu_epi8((1ull << (bytes - i)) - 1, p + i);
    greatest = _mm512_max_epi8(greatest, v);
    greatest_unsigned = _mm512_max_epu8(greatest_unsigned, v);
  }
  return (_mm512_cmpeq_epi8_mask(greatest, _mm512_set1_epi8(0x7F)) |
          _mm512_cmpeq_epi8_mask(greatest_unsigned, _mm512_set1_epi8(-1))) != 0;
}

INLINE_OP bool f8_scale_is_plain(const uint8_t *p) {
  return _mm512_cmp_ps_mask(_mm512_abs_ps(_mm512_loadu_ps(p)), _mm512_set1_ps(0x1p119f), _CMP_LT_OQ) == 0xFFFF;
}

// Panels at once by rows: enough chains to hide a fused multiply-add's latency, in 32 registers.
#define ROWS_CASES(DO) \
  DO(1, 8) DO(2, 8) DO(3, 4) DO(4, 4) DO(5, 4) DO(6, 4) DO(7, 2) DO(8, 2) DO(9, 2) DO(10, 2) DO(11, 2) DO(12, 2)
#define MAX_DIRECT_ROWS 12
#define MAX_MXFP4_ROWS 12
#define EXPANDED_PANELS 2
#define WITHOUT_PAIRS
#define KERNEL_NAME ck_matmul_avx512
#include "matmul_kernel.inc"

#pragma clang attribute pop
#endif
