// Int8 matmul on AVX2 with blocks of trits and of INT4.
#define FORMATS(DO) CK_TRIT_BLOCKS(DO) CK_INTEGER_BLOCKS(DO)
#include "matmul_int8_avx2.inc"
