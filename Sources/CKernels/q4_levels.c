#include "matmul_internal.h"

// provisional
const int8_t ck_q4_level[16] = {-122, -91, -70, -53, -38, -25, -12, 0, 11, 22, 34, 47, 61, 77, 98, 127};
