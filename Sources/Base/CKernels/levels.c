// Tables of levels.
#include "quantize_internal.h"

const int8_t ck_q4_level[16] = CK_Q4_LEVELS;
const int8_t ck_iq4_level[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// E2M1's values, doubled.
const int8_t ck_e2m1_level[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
