// Int8 matmul on AVX-512 VNNI with blocks whose levels are looked up, IQ4 and MXFP4.
#define FORMATS CK_TABLE_BLOCKS
#include "matmul_int8_avx512.inc"
