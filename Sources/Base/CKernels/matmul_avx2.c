// Matmul on AVX2, FMA and F16C: two registers are the sixteen lanes.
#if defined(__x86_64__)
#include <immintrin.h>

#include "matmul_internal.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "v16_avx2.h"

// Eight bytes, zero-extended.
INLINE_OP __m256i bytes_to_lanes(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }

// E8M0: the byte is the exponent field; 0 is the subnormal 2^-127 and 255 NaN.
INLINE_OP __m256 e8m0_values(const uint8_t *p) {
  const __m256i bits = bytes_to_lanes(p);
  const __m256i is_zero = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
  const __m256i is_nan = _mm256_cmpeq_epi32(bits, _mm256_set1_epi32(255));
  __m256i value = _mm256_slli_epi32(bits, 23);
  value = _mm256_blendv_epi8(value, _mm256_set1_epi32(0x00400000), is_zero);
  value = _mm256_blendv_epi8(value, _mm256_set1_epi32(0x7FC00000), is_nan);
  return _mm256_castsi256_ps(value);
}

INLINE_OP v16 scale_row(ck_format format, const uint8_t *p) {
  if (format == CK_F8E4M3) {
    const __m256 factor = _mm256_set1_ps(0x1p8f);
    return v16_multiply(v16_load((const float *)(const void *)p), v16_of(factor, factor));
  }
  if (format == CK_MXFP4) return v16_of(e8m0_values(p), e8m0_values(p + 8));
  return v16_zero();
}

// Sixteen F8E4M3 bytes to their values times 2^-8, by way of f16 (whose exponent's bias is 8 more): exponent and
// fraction go to its place; of the copies of the sign the mask keeps the top one. No subnormal fp32 arises, which
// would be slow to multiply.
INLINE_OP v16 f8_values(const uint8_t *p) {
  const __m256i words = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7);
  const __m256i halves = _mm256_and_si256(words, _mm256_set1_epi16((short)0xBF80));
  return v16_of(_mm256_cvtph_ps(_mm256_castsi256_si128(halves)), _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1)));
}

// The even or odd halves of eight pairs of bf16.
INLINE_OP __m256 bf16_values(__m256i pairs, int odd) {
  return _mm256_castsi256_ps(odd ? _mm256_and_si256(pairs, _mm256_set1_epi32((int)0xFFFF0000))
                                 : _mm256_slli_epi32(pairs, 16));
}
INLINE_OP __m256 dot2(__m256i a, __m256i b, __m256 c) {
  c = _mm256_fmadd_ps(bf16_values(a, 1), bf16_values(b, 1), c);
  return _mm256_fmadd_ps(bf16_values(a, 0), bf16_values(b, 0), c);
}
INLINE_OP v16 v16_dot2(v16 a, v16 b, v16 c) {
  return v16_of(dot2(_mm256_castps_si256(a.low), _mm256_castps_si256(b.low), c.low),
                dot2(_mm256_castps_si256(a.high), _mm256_castps_si256(b.high), c.high));
}

// The low nibbles of each lane to E2M1 values. The permutation looks at three bits; `signs` holds the fourth on top.
INLINE_OP __m256 fp4_values(__m256i nibbles, __m256i signs) {
  const __m256 magnitudes = _mm256_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f);
  const __m256 sign = _mm256_and_ps(_mm256_castsi256_ps(signs), _mm256_set1_ps(-0.0f));
  return _mm256_or_ps(_mm256_permutevar8x32_ps(magnitudes, nibbles), sign);
}

INLINE_OP __m256 fp4_half(const uint8_t *p, int odd) {
  const __m256i bytes = bytes_to_lanes(p);
  return odd ? fp4_values(_mm256_srli_epi32(bytes, 4), _mm256_slli_epi32(bytes, 24))
             : fp4_values(bytes, _mm256_slli_epi32(bytes, 28));
}

INLINE_OP v16 weight(ck_format format, const uint8_t *pair, int odd, v16 scale) {
  switch (format) {
    case CK_F32: return v16_load((const float *)(const void *)(pair + 64 * odd));
    case CK_BF16:
      return v16_of(bf16_values(_mm256_loadu_si256((const __m256i *)pair), odd),
                    bf16_values(_mm256_loadu_si256((const __m256i *)(pair + 32)), odd));
    case CK_F16:
      return v16_of(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(pair + 32 * odd))),
                    _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(pair + 32 * odd + 16))));
    case CK_F8E4M3: return v16_multiply(f8_values(pair + 16 * odd), scale);
    case CK_MXFP4: return v16_multiply(v16_of(fp4_half(pair, odd), fp4_half(pair + 8, odd)), scale);
    default: return v16_zero();
  }
}

// NaN is 0x7F or 0xFF: the greatest byte, read as signed or as unsigned.
INLINE_OP bool f8_has_nan(const uint8_t *p, size_t bytes) {
  __m256i greatest = _mm256_setzero_si256(), greatest_unsigned = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= bytes; i += 32) {
    const __m256i v = _mm256_loadu_si256((const __m256i *)(p + i));
    greatest = _mm256_max_epi8(greatest, v);
    greatest_unsigned = _mm256_max_epu8(greatest_unsigned, v);
  }
  if (i < bytes) {
    const __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(p + i)));
    const __m256i tail = _mm256_inserti128_si256(v, _mm_setzero_si128(), 1);
    greatest = _mm256_max_epi8(greatest, tail);
    greatest_unsigned = _mm256_max_epu8(greatest_unsigned, tail);
  }
  const __m256i found = _mm256_or_si256(_mm256_cmpeq_epi8(greatest, _mm256_set1_epi8(0x7F)),
                                        _mm256_cmpeq_epi8(greatest_unsigned, _mm256_set1_epi8(-1)));
  return _mm256_movemask_epi8(found) != 0;
}

INLINE_OP bool f8_scale_is_plain(const uint8_t *p) {
  const v16 scale = v16_load((const float *)(const void *)p);
  const __m256 sign = _mm256_set1_ps(-0.0f), limit = _mm256_set1_ps(0x1p119f);
  const __m256 low = _mm256_cmp_ps(_mm256_andnot_ps(sign, scale.low), limit, _CMP_LT_OQ);
  const __m256 high = _mm256_cmp_ps(_mm256_andnot_ps(sign, scale.high), limit, _CMP_LT_OQ);
  return _mm256_movemask_ps(_mm256_and_ps(low, high)) == 0xFF;
}

// Panels at once by rows: enough chains to hide a fused multiply-add's latency, in 16 registers.
#define ROWS_CASES(DO) DO(1, 4) DO(2, 2) DO(3, 1) DO(4, 1) DO(5, 1) DO(6, 1)
#define MAX_DIRECT_ROWS 6
#define MAX_MXFP4_ROWS 4
#define EXPANDED_PANELS 1
#define KERNEL_NAME ck_matmul_avx2
#define PAIRS_KERNEL_NAME ck_bf16_avx2
#define PAIRS_BEGIN                          \
  const unsigned int control = _mm_getcsr(); \
  _mm_setcsr(control | _MM_FLUSH_ZERO_ON | 0x40 /* subnormal operands are zero */);
#define PAIRS_END _mm_setcsr(control);
#include "matmul_kernel.inc"

#pragma clang attribute pop
#endif
