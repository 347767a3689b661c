import Checkpoints
import Kernels
import Tensors

/// Where one weight matrix lies in a checkpoint and how it is to be held in memory.
package struct MatrixSource: Sendable {
  /// How the matrix's rows lie in its tensor; counts are in elements.
  package enum Layout: Sendable, Equatable {
    /// Row r is the tensor's row `first + r * step`.
    case rows(first: Int, step: Int)
    /// Element (r, k) is at `first + k * columnStride + r * rowStride`.
    case columns(first: Int, columnStride: Int, rowStride: Int)
  }
  package enum Scales: Sendable {
    case none
    /// FP8's, one for each block of the tensor.
    case blocks(ScaleGrid)
    /// E8M0, one for each 32 columns of a row.
    case exponents(TensorEntry)
    /// Q8 and Q4: a byte for each 64 columns of a row, and fp32, one for each row.
    case levels(blocks: TensorEntry, rows: TensorEntry)
  }
  /// What the tensor holds.
  package struct Stored: Sendable {
    package var entry: TensorEntry
    package var format: WeightFormat
    package var scales: Scales = .none
  }

  package let rows: Int
  package let columns: Int
  package let entry: TensorEntry
  package let layout: Layout
  package let scales: Scales
  /// How elements are stored.
  package let storedFormat: WeightFormat
  /// How they are held; fp32 where a scaled format is to be held as stored but cannot in this layout.
  package let format: WeightFormat
  /// What its products take rows as.
  package let rowFormat: RowFormat
  package let use: WeightPrecision.Use
  /// The panels of each worker.
  package let bounds: [Int]

  init(
    rows: Int, columns: Int, stored: Stored, layout: Layout, use: WeightPrecision.Use, format: WeightFormat,
    rowFormat: RowFormat, bounds: [Int]
  ) {
    self.rows = rows
    self.columns = columns
    entry = stored.entry
    scales = stored.scales
    storedFormat = stored.format
    self.layout = layout
    self.use = use
    self.format = format
    self.rowFormat = rowFormat
    self.bounds = bounds
  }

  init(
    rows: Int, columns: Int, stored: Stored, layout: Layout, use: WeightPrecision.Use, precision: WeightPrecision,
    besideBlocks: Bool, bounds: [Int]
  ) {
    var formats = precision.formats(use, stored: stored.format, besideBlocks: besideBlocks)
    if formats.weights == stored.format, !Self.panelsHold(stored, layout, columns: columns) {
      // Blocks that run across other rows are rounded, as what lies beside them.
      formats = stored.format.isBlocked ? WeightPrecision.q8.formats(use, stored: stored.format) : (.float32, .float32)
    }
    self.init(
      rows: rows, columns: columns, stored: stored, layout: layout, use: use, format: formats.weights,
      rowFormat: formats.rows, bounds: bounds)
  }

  /// Whether panels can hold weights as they are stored, with their scales: those of blocks only where rows lie in rows,
  /// and blocks are as wide as the format's or wider.
  private static func panelsHold(_ stored: Stored, _ layout: Layout, columns: Int) -> Bool {
    if stored.format.isBlocked {
      guard case .rows = layout else { return false }
      return columns % stored.format.blockColumns == 0
    }
    guard case .blocks(let grid) = stored.scales else { return true }
    guard case .rows = layout else { return false }
    return grid.fitsPanels(of: stored.format, width: columns)
  }

  /// Bytes of worker `worker`'s panels.
  package func byteCount(worker: Int) -> Int {
    (bounds[worker + 1] - bounds[worker]) * format.panelByteCount(columns: columns)
  }

  /// The bytes of its tensor that the matrix spans.
  var storedRange: Range<Int> {
    guard rows > 0, columns > 0 else { return 0..<0 }
    switch layout {
    case .rows(let first, let step):
      let rowBytes = storedFormat.storedRowByteCount(columns)
      return (first * rowBytes)..<((first + (rows - 1) * step + 1) * rowBytes)
    case .columns(let first, let columnStride, let rowStride):
      return storedFormat.storedBytes(
        ofElements: first..<(first + (columns - 1) * columnStride + (rows - 1) * rowStride + 1))
    }
  }

  /// Elements of the matrix as stored, for accounts of model size.
  package var elementCount: Int { rows * columns }
  package var storedByteCount: Int { rows * storedFormat.storedRowByteCount(columns) }

  /// The tensors of scales, each with this matrix's share of its bytes.
  package var storedScales: [(entry: TensorEntry, byteCount: Int)] {
    switch scales {
    case .none: []
    // A tensor cut into several matrices has its scales counted in proportion.
    case .blocks(let grid):
      [(grid.entry, Int(Double(grid.entry.byteCount) * Double(elementCount) / Double(max(self.entry.elementCount, 1))))]
    case .exponents(let entry): [(entry, rows * (entry.shape.last ?? 1))]
    case .levels(let blocks, let rowScales): [(blocks, rows * (blocks.shape.last ?? 1)), (rowScales, rows * 4)]
    }
  }
}
