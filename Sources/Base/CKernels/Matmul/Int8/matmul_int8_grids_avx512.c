// Int8 matmul on AVX-512 VNNI with the blocks that grids stand behind, IQ1 to IQ3.
#define FORMATS CK_GRID_BLOCKS
#include "matmul_int8_avx512.inc"
