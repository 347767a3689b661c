// The one definition of e^x that every kernel follows, and its scalar form.
//
// x = n ln 2 + r with n the nearest integer to x / ln 2; e^r = 1 + r + r^2 q(r), q of degree 4 fitted for the least
// relative error on |r| <= ln 2 / 2 and rounded to fp32; the result is scaled by 2^(n/2) and 2^(n - n/2), of which
// only the second product can round, so subnormal results are rounded once.
#ifndef C_KERNELS_EXP_H
#define C_KERNELS_EXP_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#pragma STDC FP_CONTRACT OFF

// Past these bounds the result is 0 or infinite; clamping keeps n within the exponents of two fp32 factors.
#define CK_EXP_LOWEST (-105.0f)
#define CK_EXP_HIGHEST 90.0f
#define CK_EXP_LOG2_E 0x1.715476p+0f
// Adding 1.5 * 2^23 rounds to an integer (ties to even) and leaves that integer in the low bits.
#define CK_EXP_ROUNDER 0x1.8p+23f
#define CK_EXP_ROUNDER_BITS 0x4b400000
#define CK_EXP_LN_2_HIGH 0x1.62e43p-1f
#define CK_EXP_LN_2_LOW (-0x1.05c610p-29f)
#define CK_EXP_Q0 0x1.fffffcp-2f
#define CK_EXP_Q1 0x1.55548cp-3f
#define CK_EXP_Q2 0x1.555858p-5f
#define CK_EXP_Q3 0x1.123dep-7f
#define CK_EXP_Q4 0x1.6ac6b2p-10f

/// 2^n for n in [-126, 127].
static inline float ck_power_of_two(int32_t n) {
  const uint32_t bits = (uint32_t)(n + 127) << 23;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float ck_exp_scalar(float x) {
  if (x != x) return x;
  x = CK_EXP_LOWEST > x ? CK_EXP_LOWEST : x;
  x = CK_EXP_HIGHEST < x ? CK_EXP_HIGHEST : x;
  const float rounded = fmaf(x, CK_EXP_LOG2_E, CK_EXP_ROUNDER);
  int32_t n;
  memcpy(&n, &rounded, sizeof n);
  n -= CK_EXP_ROUNDER_BITS;
  const float multiple = rounded - CK_EXP_ROUNDER;
  float r = fmaf(-multiple, CK_EXP_LN_2_HIGH, x);
  r = fmaf(-multiple, CK_EXP_LN_2_LOW, r);
  float q = fmaf(CK_EXP_Q4, r, CK_EXP_Q3);
  q = fmaf(q, r, CK_EXP_Q2);
  q = fmaf(q, r, CK_EXP_Q1);
  q = fmaf(q, r, CK_EXP_Q0);
  const float y = fmaf(q, r * r, r) + 1.0f;
  const int32_t half = n >> 1;
  return y * ck_power_of_two(half) * ck_power_of_two(n - half);
}

static inline float ck_sigmoid_scalar(float x) { return 1.0f / (1.0f + ck_exp_scalar(-x)); }
#endif
