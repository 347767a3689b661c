// Tables of levels.
#include "quantize_internal.h"

const int8_t ck_q4_level[16] = CK_Q4_LEVELS;
const int8_t ck_iq4_level[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// IQ1's trits with an eighth more, and then with one less, times eight.
const int8_t ck_iq1_level[16] = {-7, 1, 9, 0, -9, -1, 7, 0};
// IQ2's and IQ3's magnitudes, and then their negatives.
const int8_t ck_iq2_level[16] = {8, 25, 43, 0, -8, -25, -43, 0};
const int8_t ck_iq3_xxs_level[16] = {4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62};
const int8_t ck_iq3_s_level[16] = {1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15};
// E2M1's values, doubled.
const int8_t ck_e2m1_level[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
