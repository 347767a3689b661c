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

// Blocks that are held, some at a time, so that files can have products of some.
#define CK_PLAIN_BLOCKS(DO) DO(q4_0, Q4_0) DO(q4_1, Q4_1) DO(q5_0, Q5_0) DO(q5_1, Q5_1) DO(q8_0, Q8_0)
#define CK_K_BLOCKS(DO) DO(q2_k, Q2_K) DO(q3_k, Q3_K) DO(q4_k, Q4_K) DO(q5_k, Q5_K) DO(q6_k, Q6_K)
#define CK_TABLE_BLOCKS(DO) DO(iq4_nl, IQ4_NL) DO(iq4_xs, IQ4_XS) DO(mxfp4_0, MXFP4_0)
#define CK_GRID_BLOCKS(DO) \
  DO(iq1_s, IQ1_S)         \
  DO(iq1_m, IQ1_M) DO(iq2_xxs, IQ2_XXS) DO(iq2_xs, IQ2_XS) DO(iq2_s, IQ2_S) DO(iq3_xxs, IQ3_XXS) DO(iq3_s, IQ3_S)
#define CK_TRIT_BLOCKS(DO) DO(tq1_0, TQ1_0) DO(tq2_0, TQ2_0)
#define CK_INTEGER_BLOCKS(DO) DO(int4, INT4) DO(int4_zeros, INT4_ZEROS) DO(int4_half_zeros, INT4_HALF_ZEROS)

// The blocks of GGUF files, and INT4, with their scales in them (blocks.h).
// BLOCKS(name, NAME): held as stored; integers with a scale for 32 or 16 columns, which meet int8 rows.
// STORED(name, NAME): read only; no panel holds them.
#define CK_BLOCK_FORMATS(BLOCKS, STORED) \
  CK_PLAIN_BLOCKS(BLOCKS)                \
  CK_K_BLOCKS(BLOCKS)                    \
  CK_TABLE_BLOCKS(BLOCKS)                \
  CK_GRID_BLOCKS(BLOCKS)                 \
  CK_TRIT_BLOCKS(BLOCKS)                 \
  STORED(nvfp4, NVFP4)                   \
  CK_INTEGER_BLOCKS(BLOCKS)

#define CK_FORMAT_NUMBER(name, NAME) CK_##NAME,
typedef enum {
  CK_FORMATS(CK_FORMAT_NUMBER, CK_FORMAT_NUMBER) CK_BLOCK_FORMATS(CK_FORMAT_NUMBER, CK_FORMAT_NUMBER) CK_FORMAT_COUNT
} ck_format;

#define CK_PANEL 16
#define CK_Q_BLOCK 64

/// Bytes of one panel of rows of length k (a multiple of 64); 0 for formats that no panel holds.
size_t ck_panel_bytes(ck_format format, size_t k);

/// Bytes of k columns of one stored row, scales apart unless they lie in blocks; k is then whole blocks.
size_t ck_stored_bytes(ck_format format, size_t k);

/// Columns of a stored block, with its scales; 0 for formats without blocks.
size_t ck_block_columns(ck_format format);

/// Columns of a row that share one block scale; 0 for formats without scales.
size_t ck_scale_columns(ck_format format);

/// Fills columns [k0, k0 + k_count) of one panel from row-major rows in the panel's own element
/// format (MXFP4: packed nibbles; Q8 and Q4: as on disk, see quantize.h; blocks with their scales). k0 is a multiple of
/// 2 for BF16 and MXFP4, of 8 for Q8 and Q4, of a block, and so is k_count unless it ends at k. Row r starts at
/// rows + r * row_stride_bytes, its first element being column k0. Lanes past row_count become zero; the padding after
/// the elements is cleared by the call that fills the last column. Scales of rows are not touched. Pieces of different
/// columns may be packed by different threads.
void ck_pack_rows(ck_format format, const void *rows, size_t row_stride_bytes, size_t row_count, size_t k0,
                  size_t k_count, size_t k, void *panel);

/// The same from column-major storage ([k, n]: column c of w's transpose contiguous): element
/// (row r, column k0 + i) is at columns + i * column_stride_bytes + r * element_stride_bytes.
/// Not for MXFP4, Q8, Q4 and blocks.
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

/// Whether all scales in `count` columns of stored blocks are finite. True for formats without blocks.
bool ck_scales_are_finite(ck_format format, const void *elements, size_t count);
#endif
