// The blocks that GGUF files hold: layouts and values. A block is some columns of one row with their scales; blocks of
// a row follow each other. f16 are little-endian, `q` is a column's code, columns count from 0 in the block, bits from
// the lowest. "Halves" of nibbles: byte i holds column i in its low half and column i + n/2 in its high one, of n
// columns.
//
// name    columns, bytes  layout, and the value of a column
// Q4_0    32, 18   f16 d, 16 B nibbles in halves; d * (q - 8)
// Q4_1    32, 20   f16 d, f16 m, nibbles in halves; d * q + m
// Q5_0    32, 22   f16 d, u32 h, nibbles in halves, bit c of h above column c's; d * (q - 16)
// Q5_1    32, 24   f16 d, f16 m, u32 h, nibbles as Q5_0; d * q + m
// Q8_0    32, 34   f16 d, 32 i8; d * q
// IQ4_NL  32, 18   as Q4_0; d * T[q], T = -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113
// MXFP4   32, 17   E8M0 e, nibbles in halves; E2M1(q) * 2^(e - 127). Here CK_MXFP4_0: other files have other nibbles
// NVFP4   64, 36   4 E4M3 scales of 16 columns each, without sign, 32 B: nibbles in halves for each 16; scale * E2M1(q)
// Q2_K    256, 84  16 B: scale s (low half) and min m of 16 columns each, 64 B, f16 d, f16 dmin; of each 128 columns
//                  byte i of 32 holds columns i, i + 32, i + 64, i + 96, two bits each; d * s * q - dmin * m
// Q3_K    256, 110 32 B of high bits, 64 B as Q2_K's, 12 B scales, f16 d; bit j of high byte i: column 32 * j + i; the
//                  six bits of scale j < 16: four from half j / 8 of byte j % 8, two from byte 8 + j % 4 at
//                  2 * (j / 4); d * (s - 32) * (q - 4)
// Q4_K    256, 144 f16 d, f16 dmin, 12 B, 128 B; of each 64 columns 32 B of nibbles in halves; s and m of 32 columns
//                  each have six bits: of j < 4 those of bytes j and j + 4, of j + 4 the halves of byte j + 8 (s low)
//                  below the top two bits of bytes j (s) and j + 4 (m); d * s * q - dmin * m
// Q5_K    256, 176 as Q4_K, with 32 B before the nibbles: bit j of byte i is above column 32 * j + i
// Q6_K    256, 210 128 B, 64 B, 16 i8 scales of 16 columns each, f16 d; of each 128 columns 64 B of nibbles in halves
//                  and 32 B: byte i has bits 4 and 5 of columns i, i + 32, i + 64, i + 96; d * s * (q - 32)
// IQ4_XS  256, 136 f16 d, u16 h, 4 B, 128 B; of each 32 columns 16 B of nibbles in halves; scale j has half j of the
//                  four bytes below bits 2j and 2j + 1 of h; d * (s - 32) * T[q]
// TQ1_0   256, 54  48 B, 4 B, f16 d; trits as base-3 digits, the first of a byte the highest: byte b is
//                  ceil(256 * n / 243); of 32 B digit t of byte i is column 32 * t + i, of 16 B column
//                  160 + 16 * t + i, of the 4 B column 240 + 4 * t + i; d * (q - 1)
// TQ2_0   256, 66  64 B as Q2_K's, f16 d; d * (q - 1)
//
// Of no file, but of what compressed-tensors, AWQ and GPTQ pack, whose scales lie apart:
// INT4    32, 18   bf16 d, 16 B nibbles in pairs: byte i holds columns 2i (low half) and 2i + 1; d * (q - 8)
// INT4_ZEROS       32, 19: bf16 d, u8 z below 32, nibbles as INT4; d * (q - z)
// INT4_HALF_ZEROS  the same with f16 d
//
// With grids (grids.h), whose entries are eight magnitudes, or four for IQ3, of columns that follow each other:
// IQ2_XXS 256, 66  f16 d, for each 32 columns 4 B of indices and u32: seven bits of signs each, scale s in the top
//                  four; d * (s + 1/2) / 4 * +-G
// IQ2_XS  256, 74  f16 d, 32 u16: nine bits of index, seven of signs; 8 B: four bits of scale for each 16 columns;
//                  as above
// IQ2_S   256, 82  f16 d, 32 B: low bits of indices, 32 B: signs, 8 B: two high bits each, 8 B scales as IQ2_XS;
//                  as above
// IQ3_XXS 256, 98  f16 d, 64 B of indices, 8 u32 as IQ2_XXS has them; d * (s + 1/2) / 2 * +-G
// IQ3_S   256, 110 f16 d, 64 B, 8 B: a ninth bit each, 32 B: signs, 4 B: four bits of scale for each 32 columns;
//                  d * (2 s + 1) * +-G
// IQ1_S   256, 50  f16 d, 32 B: low bits of indices, 8 u16: three high bits each of four indices, three of scale s, one
//                  of the sign of 1/8; d * (2 s + 1) * (G +- 1/8)
// IQ1_M   256, 56  32 B, 16 B: of each index three high bits and a sign of 1/8, 4 u16: three bits of scale for each 16
//                  columns below, in the top four bits of each, a quarter of the f16 d; as IQ1_S
// Seven bits of signs stand for eight columns: the eighth makes the number of ones even. A one is a minus.
//
// Panels hold the codes and scales of BLOCKS formats rearranged, without loss (matmul.h).
#ifndef C_KERNELS_BLOCKS_H
#define C_KERNELS_BLOCKS_H
#endif
