// A sum over the bytes of a tensor that does not depend on how they are cut into pieces: sums of pieces add up to the sum of
// the whole. It is made for accidents (another checkpoint, a damaged file), not against attackers.
//
// The bytes are words w(i) of 32 bits, little-endian, the last one filled up with zeros; a block is 1024 words. Then
//   sum = Σ over blocks b:  m(b) · Σ over the block's words:  w(i) · k(i mod 1024)      modulo 2^64
// with k(j) = (upper half of mix(j + 1)) | 1, m(b) = mix(b + 2^32) | 1, and mix(x) the output function of splitmix64 (Steele, Lea
// and Flood 2014) at x · 0x9E3779B97F4A7C15. A change within one word always changes the sum; two or more independent changes go
// unnoticed with a probability of about 2^-32.
#ifndef CCHECKSUM_H
#define CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

// The part of a tensor's sum that `count` bytes from its byte `offset` on contribute.
uint64_t cc_sum(const void *bytes, size_t count, uint64_t offset);
// The same without vector instructions of its own: what the other is compared with.
uint64_t cc_sum_portable(const void *bytes, size_t count, uint64_t offset);

#endif
