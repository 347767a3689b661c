// What the matmul files of this folder share: panel geometry, element values, and the call handed to each
// instruction set. Not part of the module's interface.
#ifndef C_KERNELS_MATMUL_INTERNAL_H
#define C_KERNELS_MATMUL_INTERNAL_H
#include <math.h>
#include <string.h>

#include "matmul.h"

// Ranges of k that share one scale.
#define CK_F8_SCALE_BLOCK 128
#define CK_MXFP4_SCALE_BLOCK 32

// Panels expanded together by the many-rows kernels: 8 * 256 * 16 floats are 128 KiB, which stays in a
// core's second-level cache (256 KiB and up) beside the rows of x.
#define CK_SCRATCH_PANELS 8
#define CK_SCRATCH_STRIDE (CK_K_BLOCK * CK_PANEL * sizeof(float))

// After them, a block of the rows of one tile; a line more than a power of two, in floats.
#define CK_SCRATCH_ROWS 12
#define CK_SCRATCH_ROW_STRIDE (CK_K_BLOCK + 16)

typedef struct {
  const uint8_t *panels;
  size_t panel_bytes;
  size_t n, k, m;
  const float *x;
  size_t x_stride;
  const float *bias;
  float *y;
  size_t y_stride;
  float *scratch;
} ck_matmul_call;

void ck_matmul_reference(ck_format format, const ck_matmul_call *call);
#if defined(__x86_64__)
void ck_matmul_avx2(ck_format format, const ck_matmul_call *call);
void ck_matmul_avx512(ck_format format, const ck_matmul_call *call);
#elif defined(__aarch64__)
void ck_matmul_neon(ck_format format, const ck_matmul_call *call);
#endif

// The same for bf16 rows: a column of the call is a pair of columns, four bytes of each operand.
void ck_bf16_reference(const ck_matmul_call *call);
#if defined(__x86_64__)
void ck_bf16_avx2(const ck_matmul_call *call);
void ck_bf16_avx512(const ck_matmul_call *call);
#elif defined(__aarch64__)
void ck_bf16_neon(const ck_matmul_call *call);
#endif

// Instructions beyond an instruction set's base that some processors have.
typedef struct {
  bool int8_dot;  // AVX-512 VNNI, Armv8.2 dot product
  bool bf16_dot;  // AVX-512 BF16
} ck_feature_set;
ck_feature_set ck_features(void);

static inline size_t ck_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t ck_round64(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

// Bytes of one panel's levels in one block of CK_Q_BLOCK columns.
#define CK_Q8_BLOCK_BYTES (CK_Q_BLOCK * CK_PANEL)
#define CK_Q4_BLOCK_BYTES (CK_Q8_BLOCK_BYTES / 2)

static inline size_t ck_q_blocks(size_t k) { return (k + CK_Q_BLOCK - 1) / CK_Q_BLOCK; }

// The levels of Q4's sixteen indices.
extern const int8_t ck_q4_level[16];

// Bytes of the elements of one panel, which its scales follow.
static inline size_t ck_panel_element_bytes(ck_format format, size_t k) {
  switch (format) {
    case CK_F32: return k * CK_PANEL * 4;
    case CK_BF16: return (k + 1) / 2 * CK_PANEL * 4;
    case CK_F16: return ck_round64(k * CK_PANEL * 2);
    case CK_F8E4M3: return ck_round64(k * CK_PANEL);
    case CK_MXFP4: return ck_round64((k + 1) / 2 * CK_PANEL);
    case CK_Q8: return ck_q_blocks(k) * CK_Q8_BLOCK_BYTES;
    case CK_Q4: return ck_q_blocks(k) * CK_Q4_BLOCK_BYTES;
  }
  return 0;
}

// Where column k of a panel's elements begins (k even for BF16 and MXFP4, a multiple of 8 for Q8 and Q4).
static inline size_t ck_element_offset(ck_format format, size_t k) {
  switch (format) {
    case CK_F32: return k * CK_PANEL * 4;
    case CK_BF16:
    case CK_F16: return k * CK_PANEL * 2;
    case CK_F8E4M3: return k * CK_PANEL;
    case CK_MXFP4:
    case CK_Q4: return k / 2 * CK_PANEL;
    case CK_Q8: return k * CK_PANEL;
  }
  return 0;
}

static inline float ck_float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float ck_value_bf16(uint16_t bits) { return ck_float_from_bits((uint32_t)bits << 16); }

// The 15 magnitude bits, moved to fp32's place, are the value times 2^-112; subnormals too.
static inline float ck_value_f16(uint16_t bits) {
  const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
  if ((bits & 0x7C00) == 0x7C00) {  // infinity, NaN
    const uint32_t fraction = (uint32_t)(bits & 0x3FF) << 13;
    return ck_float_from_bits(sign | 0x7F800000 | fraction | (fraction ? 0x400000 : 0));
  }
  const float magnitude = ck_float_from_bits((uint32_t)(bits & 0x7FFF) << 13) * 0x1p112f;
  return sign ? -magnitude : magnitude;
}

// As for f16, with 2^-120: the exponent's bias is 7. There is no infinity; S.1111.111 is NaN.
static inline float ck_value_f8e4m3(uint8_t bits) {
  const uint32_t sign = (uint32_t)(bits & 0x80) << 24;
  if ((bits & 0x7F) == 0x7F) return ck_float_from_bits(sign | 0x7FC00000);
  const float magnitude = ck_float_from_bits((uint32_t)(bits & 0x7F) << 20) * 0x1p120f;
  return sign ? -magnitude : magnitude;
}

// E2M1: 0 0.5 1 1.5 2 3 4 6 and their negatives.
static inline float ck_value_fp4(uint8_t nibble) {
  static const float values[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                   -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
  return values[nibble & 15];
}

// 2^(bits - 127), a subnormal for 0; NaN for 255 (OCP Microscaling Formats 1.0, section 5.4.1).
static inline float ck_value_e8m0(uint8_t bits) {
  if (bits == 255) return ck_float_from_bits(0x7FC00000);
  return ck_float_from_bits(bits == 0 ? 0x00400000 : (uint32_t)bits << 23);
}

// A block scale of Q8 and Q4: its byte has four bits each of exponent and fraction, 2^-15 … 1.9375.
static inline float ck_q_scale(uint8_t byte) { return ck_float_from_bits(((uint32_t)byte << 19) + 0x38000000u); }

// The level at (k, lane) of a panel in Q8 or Q4.
int ck_q_panel_level(ck_format format, const uint8_t *panel, size_t k, size_t lane);

// Value of weight (k, lane) of a panel whose rows have length k_count.
float ck_weight(ck_format format, const uint8_t *panel, size_t k_count, size_t k, size_t lane);
#endif
