// The four-lane end of a lane sum, common to the x86 instruction sets.

/// The last two halvings of four folded lane sums: l += l+2, then l += l+1; one result a lane.
INLINE v4 v4_sums(v4 a, v4 b, v4 c, v4 d) {
  const v4 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
  const v4 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
  return _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xDD));
}
INLINE float v4_sum(v4 a) {
  a = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}
INLINE v4 v4_multiply(v4 a, float factor) { return _mm_mul_ps(a, _mm_set1_ps(factor)); }
INLINE void v4_store(float *p, v4 a) { _mm_storeu_ps(p, a); }
