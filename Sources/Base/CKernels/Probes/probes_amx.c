// The int8 probe on AMX.
#if defined(__x86_64__)
#include <immintrin.h>

#include "probes_internal.h"

// Six tiles of sums, which hide the latency of a product, and two operands of zeros.
__attribute__((target("amx-tile,amx-int8"))) uint64_t ck_probe_int8_amx(uint64_t iterations) {
  uint8_t configuration[64] = {1};
  for (int tile = 0; tile < 8; tile++) {
    configuration[16 + 2 * tile] = 64;
    configuration[48 + tile] = 16;
  }
  _tile_loadconfig(configuration);
  // Tiles are zero now. A round takes sixteen times as long as one of AVX-512.
  for (uint64_t n = 0; n < iterations / 16; n++) {
    _tile_dpbssd(0, 6, 7);
    _tile_dpbssd(1, 6, 7);
    _tile_dpbssd(2, 6, 7);
    _tile_dpbssd(3, 6, 7);
    _tile_dpbssd(4, 6, 7);
    _tile_dpbssd(5, 6, 7);
  }
  _tile_release();
  return iterations / 16 * 6 * 16 * 16 * 64 * 2;
}
#endif
