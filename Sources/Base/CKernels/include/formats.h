// The formats weights are held in: every one is a row here, and files of its name in Formats.
#ifndef C_KERNELS_FORMATS_H
#define C_KERNELS_FORMATS_H
#include "isa.h"

// FLOATS(name, NAME): numbers, which become fp32 in registers and meet fp32 rows.
// LEVELS(name, NAME): integers in blocks of CK_Q_BLOCK columns with a scale each, which meet int8 rows.
#define CK_FORMATS(FLOATS, LEVELS) \
  FLOATS(f32, F32)                 \
  FLOATS(bf16, BF16)               \
  FLOATS(f16, F16)                 \
  FLOATS(f8e4m3, F8E4M3)           \
  FLOATS(mxfp4, MXFP4)             \
  LEVELS(q8, Q8)                   \
  LEVELS(q4, Q4)

#define CK_FORMAT_NUMBER(name, NAME) CK_##NAME,
typedef enum { CK_FORMATS(CK_FORMAT_NUMBER, CK_FORMAT_NUMBER) CK_FORMAT_COUNT } ck_format;

#define CK_PANEL 16
#define CK_Q_BLOCK 64

/// Bytes of one panel of rows of length k (a multiple of 64).
size_t ck_panel_bytes(ck_format format, size_t k);

/// Bytes of k columns of one stored row, scales apart.
size_t ck_stored_bytes(ck_format format, size_t k);

/// Columns of a row that share one block scale; 0 for formats without scales.
size_t ck_scale_columns(ck_format format);

/// Fills columns [k0, k0 + k_count) of one panel from row-major rows in the panel's own element
/// format (MXFP4: packed nibbles; Q8 and Q4: as on disk, see quantize.h). k0 is a multiple of 2 for BF16 and MXFP4, of 8
/// for Q8 and Q4, and so is k_count unless it ends at k. Row r starts at rows + r * row_stride_bytes, its first element
/// being column k0. Lanes past row_count become zero; the padding after the elements is cleared by the call that fills
/// the last column. Scales of rows are not touched. Pieces of different columns may be packed by different threads.
void ck_pack_rows(ck_format format, const void *rows, size_t row_stride_bytes, size_t row_count, size_t k0,
                  size_t k_count, size_t k, void *panel);

/// The same from column-major storage ([k, n]: column c of w's transpose contiguous): element
/// (row r, column k0 + i) is at columns + i * column_stride_bytes + r * element_stride_bytes.
/// Not for MXFP4, Q8 and Q4.
void ck_pack_columns(ck_format format, const void *columns, size_t column_stride_bytes, size_t element_stride_bytes,
                     size_t row_count, size_t k0, size_t k_count, size_t k, void *panel);

/// Writes one lane's scales into a panel: those of all its blocks, as the panel holds them (F8E4M3: fp32 for each 128
/// columns; MXFP4: E8M0 for each 32; Q8 and Q4: a byte for each 64), and the row's own where the format has such.
void ck_set_scales(ck_format format, void *panel, size_t k, size_t lane, const void *block_scales, float row_scale);

/// Expands one row (lane) of a panel to fp32, k values. For tests and embeddings.
void ck_expand_panel_row(ck_format format, const void *panel, size_t k, size_t lane, float *out);

/// Expands the first `count` columns of a stored row to fp32. `scales` are its block scales, as for ck_set_scales; NULL
/// for formats without, or to leave them out. Not for Q8 and Q4.
void ck_expand(ck_format format, const void *elements, const void *scales, size_t count, float *out);
#endif
