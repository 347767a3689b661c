#include "quantize_internal.h"

const int8_t ck_q4_level[16] = CK_Q4_LEVELS;
