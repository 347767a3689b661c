import Checkpoints
import Kernels

/// Where one weight matrix lies in a checkpoint and how it is to be held in memory.
package struct MatrixSource: Sendable {
  /// How the matrix's rows lie in its tensor; counts are in elements.
  package enum Layout: Sendable, Equatable {
    /// Row r is the tensor's row `first + r * step`.
    case rows(first: Int, step: Int)
    /// Element (r, k) is at `first + k * columnStride + r * rowStride`.
    case columns(first: Int, columnStride: Int, rowStride: Int)

    /// The same without the rows before `row`.
    func from(row: Int) -> Layout {
      switch self {
      case .rows(let first, let step): .rows(first: first + row * step, step: step)
      case .columns(let first, let columnStride, let rowStride):
        .columns(first: first + row * rowStride, columnStride: columnStride, rowStride: rowStride)
      }
    }
  }
  /// What the tensor holds.
  struct Stored: Sendable {
    var entry: TensorEntry
    /// Nil for a form that is expanded only.
    var format: WeightFormat?
    /// Nil where there are none beside the elements.
    var scales: (any StoredScales)?
    /// Of integers in words, with their scales and zeros; nil for other elements.
    var packed: PackedIntegers?
    /// What the tensor is called, and the shape of its rows, where it is not quantised; nil where that is the entry's
    /// own.
    var plain: (name: String, leading: [Int])?
    /// How columns lie that are not in the published order.
    var columnTiles: ColumnTiles?
  }

  package let rows: Int
  package let columns: Int
  package let entry: TensorEntry
  package let layout: Layout
  /// Nil where there are none beside the elements.
  let scales: (any StoredScales)?
  /// Of integers in words, with their scales and zeros; nil for other elements.
  let packed: PackedIntegers?
  /// How elements are stored; of integers in words how they are held with their scales, nil where they are expanded
  /// only.
  package let storedFormat: WeightFormat?
  /// The name of the tensor and the shape of its rows, unquantised.
  package let plain: (name: String, leading: [Int])?
  /// How columns lie that are not in the published order, in which they are held.
  let columnTiles: ColumnTiles?
  /// How they are held; where a scaled format is to be held as stored but cannot in this layout, fp32, or a smaller
  /// format.
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
    packed = stored.packed
    storedFormat = stored.format
    plain = stored.plain
    columnTiles = stored.columnTiles
    (self.layout, self.use, self.format, self.rowFormat, self.bounds) = (layout, use, format, rowFormat, bounds)
  }

  /// `rows`: what the matrix is to take rows as, where that is the same for several; nil for what suits it.
  init(
    rows: Int, columns: Int, stored: Stored, layout: Layout, use: WeightPrecision.Use, precision: WeightPrecision,
    besideBlocks: Bool, meeting rowFormat: RowFormat? = nil, bounds: [Int]
  ) {
    var formats = precision.formats(use, stored: stored.format, besideBlocks: besideBlocks)
    let isHeld = Self.panelsHold(stored, layout, columns: columns)
    if formats.weights == stored.format, !isHeld {
      formats =
        precision == .mixed && rowFormat == nil && use != .choice
        ? WeightPrecision.eightBits : Self.substitute(for: stored, use)
    }
    if let rowFormat, formats.rows != rowFormat {
      switch rowFormat {
      case .int8: formats = WeightPrecision.eightBits
      case .bfloat16: formats = (.bfloat16, .bfloat16)
      case .float32:
        let format = isHeld && stored.format?.canMeet(.float32) ?? false ? stored.format : nil
        formats = (format ?? .float32, .float32)
      }
    }
    self.init(
      rows: rows, columns: columns, stored: stored, layout: layout, use: use, format: formats.weights,
      rowFormat: formats.rows, bounds: bounds)
  }

  /// Whether panels can hold weights as they are stored, with their scales: those of blocks only where rows lie in
  /// rows, and blocks are as wide as the format's or wider.
  private static func panelsHold(_ stored: Stored, _ layout: Layout, columns: Int) -> Bool {
    guard stored.columnTiles == nil else { return false }
    if let format = stored.format, format.isBlocked {
      guard case .rows = layout else { return false }
      return columns % format.blockColumns == 0
    }
    guard let scales = stored.scales else { return true }
    if case .columns = layout, scales.mayBeTurned { return false }
    return scales.fit(panelsOf: stored.format, columns: columns)
  }

  /// What weights are held in whose scales do not fit the panels of their format: what suits the scales, q8 for blocks
  /// that run across other rows, or else fp32.
  private static func substitute(
    for stored: Stored, _ use: WeightPrecision.Use
  ) -> (weights: WeightFormat, rows: RowFormat) {
    if stored.format?.isBlocked ?? false {
      return use == .choice || use == .vector ? (.float32, .float32) : WeightPrecision.eightBits
    }
    return stored.scales?.substitute ?? (.float32, .float32)
  }

  /// What it is stored as, where nothing holds that and it is rounded to 8 bits where it should be held as stored.
  var roundedForm: String? {
    guard let packed else { return scales?.roundedForm }
    if packed.heldFormat != nil, case .rows = layout { return nil }
    return "int\(packed.bits) with a scale for \(packed.groupColumns) columns"
  }

  /// What it is stored in where it is rounded to eight bits.
  var roundedFormat: WeightFormat? {
    let eight = WeightPrecision.eightBits.weights
    return format == eight && storedFormat != eight ? storedFormat : nil
  }

  /// Whether it is stored as integers with scales apart, or as FP4 that is held as integers.
  var isOfIntegers: Bool { packed != nil || scales?.roundedForm != nil }

  /// Bytes of worker `worker`'s panels.
  package func byteCount(worker: Int) -> Int {
    (bounds[worker + 1] - bounds[worker]) * format.panelByteCount(columns: columns)
  }

  /// The bytes of its tensor that the matrix spans.
  var storedRange: Range<Int> {
    guard rows > 0, columns > 0 else { return 0..<0 }
    guard let storedFormat, packed == nil else { return 0..<entry.byteCount }
    switch layout {
    case .rows(let first, let step):
      let rowBytes = storedFormat.storedRowByteCount(columns)
      return (first * rowBytes)..<((first + (rows - 1) * step + 1) * rowBytes)
    case .columns(let first, let columnStride, let rowStride):
      return storedFormat.storedBytes(
        ofElements: first..<(first + (columns - 1) * columnStride + (rows - 1) * rowStride + 1))
    }
  }

  /// Where the files have it.
  var place: (fileIndex: Int, byte: Int) { (entry.fileIndex, entry.byteOffset + storedRange.lowerBound) }

  /// Elements of the matrix as stored, for accounts of model size.
  package var elementCount: Int { rows * columns }
  package var storedByteCount: Int {
    guard let storedFormat, packed == nil else { return share(of: entry) }
    return rows * storedFormat.storedRowByteCount(columns)
  }

  /// The part of a tensor's bytes that falls to this matrix by its number of elements.
  private func share(of entry: TensorEntry) -> Int {
    let all = (plain?.leading.reduce(1, *) ?? rows) * columns
    return all == elementCount
      ? entry.byteCount : Int(Double(entry.byteCount) * Double(elementCount) / Double(max(all, 1)))
  }

  /// The tensors of scales, each with this matrix's share of its bytes.
  package var storedScales: [(entry: TensorEntry, byteCount: Int)] {
    if let packed { return packed.companions.map { ($0, share(of: $0)) } }
    return scales?.tensors(of: self) ?? []
  }
}
