// Rounding of rows: the portable reference, and the choice of instruction set.
#include "../kernels.h"

size_t ck_row_bytes(ck_row_format format, size_t k) {
  switch (format) {
    case CK_ROWS_F32: return ck_round64(k * sizeof(float));
    case CK_ROWS_BF16: return ck_round64((k + 1) / 2 * 4);
    case CK_ROWS_INT8: return ck_round64(ck_q_blocks(k) * (CK_Q_BLOCK + sizeof(float) + 2 * sizeof(int16_t)));
  }
  return 0;
}

static void round_bf16(const float *x, size_t count, uint16_t *out) {
  for (size_t i = 0; i < count; i++) out[i] = ck_bf16_rounded(x[i]);
}

static void round_int8(const float *x, size_t count, int8_t *levels, float *scale, int16_t sums[2]) {
  float largest = 0;
  bool finite = true;
  for (size_t i = 0; i < count; i++) {
    const float magnitude = fabsf(x[i]);
    if (magnitude > largest) largest = magnitude;
    finite &= magnitude < INFINITY;
  }
  *scale = ck_int8_scale(largest, finite);
  const float factor = ck_int8_factor(largest, finite);
  for (size_t half = 0; half < 2; half++) {
    int sum = 0;
    for (size_t i = half * CK_Q_BLOCK / 2; i < (half + 1) * CK_Q_BLOCK / 2; i++) {
      levels[i] = factor > 0 && i < count ? (int8_t)nearbyintf(x[i] * factor) : 0;
      sum += levels[i];
    }
    sums[half] = (int16_t)sum;
  }
}

const ck_row_kernels ck_reference_rows = {round_bf16, round_int8};

static const ck_row_kernels *kernels(ck_isa isa) { return ck_kernels_of[isa]->rows; }

void ck_round_row(ck_isa isa, ck_row_format format, const float *x, size_t k, size_t first, size_t end, void *row) {
  uint8_t *const out = row;
  switch (format) {
    case CK_ROWS_F32: memcpy(out + first * sizeof(float), x + first, (end - first) * sizeof(float)); return;
    case CK_ROWS_BF16: {
      uint16_t *const values = (uint16_t *)(void *)out;
      kernels(isa)->round_bf16(x + first, end - first, values + first);
      if (end == k && k % 2) values[k] = 0;
      return;
    }
    case CK_ROWS_INT8: {
      const size_t blocks = ck_q_blocks(k);
      float *const scales = (float *)(void *)(out + blocks * CK_Q_BLOCK);
      int16_t *const sums = (int16_t *)(void *)(scales + blocks);
      for (size_t at = first; at < end; at += CK_Q_BLOCK) {
        kernels(isa)->round_int8(x + at, ck_min(CK_Q_BLOCK, end - at), (int8_t *)out + at, scales + at / CK_Q_BLOCK,
                                 sums + at / CK_Q_BLOCK * 2);
      }
      // Bytes that travel are the same wherever they were made.
      if (end == k && k % CK_Q_BLOCK) memset(out + k, 0, CK_Q_BLOCK - k % CK_Q_BLOCK);
    }
  }
}
