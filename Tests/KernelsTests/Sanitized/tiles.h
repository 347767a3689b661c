// AMX's tiles as C, after the pseudocode of Intel's manual (SDM volume 2): included before matmul_int8_amx.c, it lets a
// processor without tiles run the products that are written for them. What is not configured as it is used ends the
// program, as the processor's exceptions would.
#ifndef SANITIZED_TILES_H
#define SANITIZED_TILES_H
#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd

typedef struct {
  uint8_t rows;
  uint16_t row_bytes;
  uint8_t bytes[16][64];
} modelled_tile;

static _Thread_local struct {
  int palette;
  modelled_tile tiles[8];
} modelled;

static inline void modelled_release(void) { memset(&modelled, 0, sizeof modelled); }

static inline void modelled_loadconfig(const void *from) {
  const uint8_t *const bytes = from;
  modelled_release();
  modelled.palette = bytes[0];
  if (modelled.palette != 1 || bytes[1] != 0) abort();
  for (int i = 2; i < 16; i++) {
    if (bytes[i]) abort();
  }
  for (int i = 0; i < 16; i++) {
    uint16_t row_bytes;
    memcpy(&row_bytes, bytes + 16 + 2 * i, sizeof row_bytes);
    const uint8_t rows = bytes[48 + i];
    if (rows > 16 || row_bytes > 64 || (rows == 0) != (row_bytes == 0) || (i >= 8 && rows)) abort();
    if (i < 8) modelled.tiles[i].rows = rows, modelled.tiles[i].row_bytes = row_bytes;
  }
}

static inline modelled_tile *modelled_configured(int tile) {
  if (modelled.palette != 1 || modelled.tiles[tile].rows == 0) abort();
  return &modelled.tiles[tile];
}

static inline void modelled_zero(int tile) {
  memset(modelled_configured(tile)->bytes, 0, sizeof modelled.tiles[tile].bytes);
}

static inline void modelled_loadd(int tile, const void *from, size_t stride) {
  modelled_tile *const t = modelled_configured(tile);
  modelled_zero(tile);
  for (size_t row = 0; row < t->rows; row++) memcpy(t->bytes[row], (const uint8_t *)from + row * stride, t->row_bytes);
}

static inline void modelled_stored(int tile, void *to, size_t stride) {
  const modelled_tile *const t = modelled_configured(tile);
  for (size_t row = 0; row < t->rows; row++) memcpy((uint8_t *)to + row * stride, t->bytes[row], t->row_bytes);
}

static inline void modelled_dpbssd(int sums, int first, int second) {
  modelled_tile *const c = modelled_configured(sums);
  const modelled_tile *const a = modelled_configured(first), *const b = modelled_configured(second);
  if (a->row_bytes % 4 || b->row_bytes % 4 || a->rows != c->rows || b->row_bytes != c->row_bytes ||
      a->row_bytes / 4 != b->rows || sums == first || sums == second || first == second) {
    abort();
  }
  for (size_t m = 0; m < c->rows; m++) {
    for (size_t n = 0; n < c->row_bytes / 4u; n++) {
      int32_t sum;
      memcpy(&sum, &c->bytes[m][4 * n], sizeof sum);
      for (size_t k = 0; k < a->row_bytes; k++) {
        sum += (int32_t)(int8_t)a->bytes[m][k] * (int8_t)b->bytes[k / 4][4 * n + k % 4];
      }
      memcpy(&c->bytes[m][4 * n], &sum, sizeof sum);
    }
  }
}

#define _tile_loadconfig(from) modelled_loadconfig(from)
#define _tile_release() modelled_release()
#define _tile_zero(tile) modelled_zero(tile)
#define _tile_loadd(tile, from, stride) modelled_loadd(tile, from, stride)
#define _tile_stored(tile, to, stride) modelled_stored(tile, to, stride)
#define _tile_dpbssd(sums, first, second) modelled_dpbssd(sums, first, second)
#endif
