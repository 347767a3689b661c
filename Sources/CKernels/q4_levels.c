#include "matmul_internal.h"

// provisional
const int8_t ck_q4_level[16] = {-127, -94, -73, -55, -40, -26, -13, 0, 11, 23, 36, 50, 65, 82, 102, 127};
