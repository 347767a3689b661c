// Products in bf16 on AVX-512 BF16. VDPBF16PS adds the product of the second numbers of two pairs, then that of the
// first, each with one rounding, and takes and leaves subnormals as zero (Intel SDM volume 2): what product.h defines.
#if defined(__x86_64__)
#include "kernels.h"

#define NATIVE_TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma"
#include "../../Base/CKernels/Vectors/native_avx512.h"
#undef NATIVE
#pragma STDC FP_CONTRACT OFF

#define v_pin(v) __asm__ volatile("" : "+v"(v))
#define v_step(a, b, c) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))

#define FLUSH_BEGIN                      \
  const unsigned control = _mm_getcsr(); \
  _mm_setcsr(control | _MM_FLUSH_ZERO_ON | 0x40 /* subnormal operands are zero */);
#define FLUSH_END _mm_setcsr(control);

/// words[q] = the numbers 2q and 2q + 1 of `count`, rounded; an odd last one has a zero beside it.
INLINE void convert_pairs(const float *from, size_t count, uint32_t *words) {
  for (size_t i = 0; i < count; i += 32) {
    const size_t left = count - i;
    const vf low = v_load_first(from + i, left), high = left > 16 ? v_load_first(from + i + 16, left - 16) : v_set(0);
    const vf both = (vf)_mm512_cvtne2ps_pbh(high, low);
    v_store_first((float *)(void *)(words + i / 2), both, left >= 32 ? LANES : (left + 1) / 2);
  }
}

/// words[i] = first[i] and second[i], rounded, for `count` of `width`, the others zero; no second ones are zeros.
INLINE void interleave_pairs(const float *first, const float *second, size_t count, uint32_t *words,
                             const size_t width) {
  for (size_t i = 0; i < width; i += LANES) {
    const size_t n = width - i < LANES ? width - i : LANES, there = i >= count ? 0 : count - i;
    const vf a = v_load_first(first + i, there), b = second ? v_load_first(second + i, there) : v_set(0);
    const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
    const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(b)), 16);
    v_store_first((float *)(void *)(words + i), (vf)_mm512_or_si512(low, high), n);
  }
}

#define PAIRS
#include "pack_avx512.h"
#define TILE_ROWS 12
#define TILE_VECTORS 2
#define ROWS_CASES(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12)
#define FEW_ROWS 0
#define FEW_COLUMNS 0
#include "product_template.h"

void cg_product_bf16_avx512(const cg_product *call, float *scratch) { product(call, scratch); }
#pragma clang attribute pop
#else
typedef int cg_no_avx512_bf16_here;
#endif
