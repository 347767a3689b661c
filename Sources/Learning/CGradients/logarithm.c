// A natural logarithm whose bits do not depend on a library.
#include <string.h>

#include "CGradients.h"
#pragma STDC FP_CONTRACT OFF

// x = 2^e * m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s) = 2 (s + s^3/3 + s^5/5 + …), s = (m - 1) / (m + 1), so
// |s| < 0.1716 and the first term left out, s^25/25, is below 2^-68.
double cg_log(double x) {
  if (x != x || x < 0) return __builtin_nan("");
  if (x == 0) return -__builtin_inf();
  if (x > 0x1.fffffffffffffp+1023) return x;
  int64_t exponent = -1023;
  if (x < 0x1p-1022) {
    x *= 0x1p+54;
    exponent -= 54;
  }
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  exponent += (int64_t)(bits >> 52);
  bits = (bits & 0xfffffffffffff) | 0x3ff0000000000000;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 0x1.6a09e667f3bcdp+0) {
    m *= 0.5;
    exponent += 1;
  }
  const double s = (m - 1) / (m + 1), square = s * s;
  double series = 0;
  for (int odd = 23; odd >= 3; odd -= 2) series = (series + 1.0 / odd) * square;
  // ln 2 in two parts: the first, times any exponent, is exact.
  const double high = 0x1.62e42fefa38p-1, low = 0x1.ef35793c7673p-45;
  return (double)exponent * high + (2 * (s + s * series) + (double)exponent * low);
}
