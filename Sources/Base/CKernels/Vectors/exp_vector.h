// The vector form of exp.h, in the names of a native_*.h: the same bits, lane for lane.
#include "exp.h"

INLINE vf v_exp(vf x) {
  // The operand order of max and min lets NaN through.
  x = v_min(v_set(CK_EXP_HIGHEST), v_max(v_set(CK_EXP_LOWEST), x));
  const vf rounded = v_fma(x, v_set(CK_EXP_LOG2_E), v_set(CK_EXP_ROUNDER));
  const vf multiple = v_subtract(rounded, v_set(CK_EXP_ROUNDER));
  vf r = v_fnma(multiple, v_set(CK_EXP_LN_2_HIGH), x);
  r = v_fnma(multiple, v_set(CK_EXP_LN_2_LOW), r);
  vf q = v_fma(v_set(CK_EXP_Q4), r, v_set(CK_EXP_Q3));
  q = v_fma(q, r, v_set(CK_EXP_Q2));
  q = v_fma(q, r, v_set(CK_EXP_Q1));
  q = v_fma(q, r, v_set(CK_EXP_Q0));
  return v_scale(v_add(v_fma(q, v_multiply(r, r), r), v_set(1.0f)), rounded);
}

INLINE vf v_sigmoid(vf x) { return v_divide(v_set(1.0f), v_add(v_set(1.0f), v_exp(v_negate(x)))); }
