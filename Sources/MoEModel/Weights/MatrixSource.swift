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
    /// fp32, one for each 128 × 128 block of the tensor.
    case blocks(TensorEntry)
    /// E8M0, one for each 32 columns of a row.
    case exponents(TensorEntry)
  }

  package let rows: Int
  package let columns: Int
  package let entry: TensorEntry
  package let layout: Layout
  package let scales: Scales
  /// How elements are stored.
  package let storedFormat: WeightFormat
  /// How they are held: as stored, or fp32 where a scaled format cannot be held in this layout.
  package let format: WeightFormat
  /// What its products take rows as.
  package let rowFormat: RowFormat
  /// The panels of each worker.
  package let bounds: [Int]

  package init(
    rows: Int, columns: Int, entry: TensorEntry, layout: Layout = .rows(first: 0, step: 1), scales: Scales = .none,
    storedFormat: WeightFormat, bounds: [Int]
  ) {
    self.rows = rows
    self.columns = columns
    self.entry = entry
    self.layout = layout
    self.scales = scales
    self.storedFormat = storedFormat
    self.bounds = bounds
    if case .columns = layout, storedFormat == .float8 { format = .float32 } else { format = storedFormat }
    rowFormat = format.plainRowFormat
  }

  /// Bytes of worker `worker`'s panels.
  package func byteCount(worker: Int) -> Int {
    (bounds[worker + 1] - bounds[worker]) * format.panelByteCount(columns: columns)
  }

  /// Elements of the matrix as stored, for accounts of model size.
  package var elementCount: Int { rows * columns }
  package var storedByteCount: Int { storedFormat.storedByteCount(elementCount) }
}
