// What the matmul files of this folder share: the call handed to each instruction set. Not part of the module's
// interface.
#ifndef C_KERNELS_MATMUL_INTERNAL_H
#define C_KERNELS_MATMUL_INTERNAL_H
#include "../Formats/formats.h"
#include "matmul.h"

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

// Asks for the next `bytes` bytes of a stretch of memory, if there is one.
static inline __attribute__((always_inline)) void ck_fetch_next(const uint8_t **next, size_t bytes) {
  if (!*next) return;
  for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(*next + line, 0, 3);
  *next += bytes;
}

// A product with fp32 or bf16 rows. For bf16 rows a column of the call is a pair of columns, four bytes of each
// operand.
typedef void ck_matmul_kernel(const ck_matmul_call *call);

// Instructions beyond an instruction set's base that some processors have.
typedef struct {
  bool int8_dot;       // AVX-512 VNNI, Armv8.2 dot product
  bool bf16_dot;       // AVX-512 BF16
  bool byte_permutes;  // AVX-512 VBMI
} ck_feature_set;
ck_feature_set ck_features(void);
#endif
