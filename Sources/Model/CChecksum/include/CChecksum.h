// A sum over the bytes of a tensor that does not depend on how they are cut into pieces: sums of pieces add up to the
// sum of the whole. It is made for accidents (another checkpoint, a damaged file), not against attackers.
//
// The bytes are words w(i) of 64 bits, little-endian, the last one filled up with zeros; a block is 2048 words. Then
//   sum = Σ m(⌊i / 2048⌋) · (w(i) · k(i) + ⌊w(i) / 2^32⌋ · e(i mod 4))   modulo 2^64,
//   k(i) = a(i mod 4) + c(i mod 4) · ⌊(i mod 2048) / 4⌋
// with m(b) = mix(b + 2^32) | 1, a(l) = mix(l + 1) | 1, c(l) = 2 · (mix(l + 5) | 1), e(l) = mix(l + 9) | 1, and mix(x)
// the output function of splitmix64 (Steele, Lea and Flood 2014) at x · 0x9E3779B97F4A7C15. The upper halves count once
// more because two changes of words' uppermost bits would cancel each other in the first part, whose products lose what
// is beyond 2^64. What still can go unnoticed, beside one in 2^32 or so of other changes, are opposite changes of the
// same uppermost bits of two words of one block and lane.
// In a run of vectors of four words, the keys' regular steps make it three additions a vector: Σ w, the sum of its
// partial sums, Σ ⌊w / 2^32⌋.
#ifndef CCHECKSUM_H
#define CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

// The part of a tensor's sum that `count` bytes from its byte `offset` on contribute.
uint64_t cc_sum(const void *bytes, size_t count, uint64_t offset);
// The same by one of several ways, all of which must agree: 0 is the portable one, which also stands for those whose
// instructions the processor lacks.
uint64_t cc_sum_with(size_t kernel, const void *bytes, size_t count, uint64_t offset);
size_t cc_kernel_count(void);

#endif
