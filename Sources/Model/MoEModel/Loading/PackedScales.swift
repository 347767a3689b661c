import Checkpoints
import Tensors

/// Scales and zeros of some rows of packed integers, in memory and checked, as they are stored: `[rows, groups]` of
/// compressed-tensors, `[groups, rows]` of the others.
struct PackedScales {
  let scales: AlignedBuffer<Float>
  /// Nil where all are the middle of the integers' range.
  let zeros: AlignedBuffer<Int32>?
  /// From one row to the next in either, and from one group.
  let rowStride: Int
  let groupStride: Int
  /// BF16 and F16 scales as they are stored.
  private let bits: AlignedBuffer<UInt16>?
  private let firstRow: Int
  private let middle: Int32

  /// Reads those of `rows`, and holds against the matrix what is said of its shape and of its groups. `sums` gets the
  /// sums of what belongs to these rows if `isCounted`, as nobody else reads it; of tensors that others need too it
  /// gets the sum once.
  init(
    _ packed: PackedIntegers, rows: Range<Int>, isCounted: Bool, from checkpoint: any Checkpoint, sums: ReadSums?
  ) throws {
    (firstRow, middle) = (rows.lowerBound, packed.middle)
    for entry in packed.companions where !isCounted || (entry != packed.scales && entry != packed.zeros) {
      sums?.noteWhole(entry) {
        (try? checkpoint.readAll(entry)).map { bytes in bytes.withUnsafeBytes { TensorSum($0, at: 0) } } ?? TensorSum()
      }
    }
    try Self.check(packed, in: checkpoint)
    let isByRow = packed.packing == .compressedTensors
    (rowStride, groupStride) = isByRow ? (packed.groupCount, 1) : (1, rows.count)
    let counted = isCounted ? sums : nil
    let stored = try Self.strip(packed.scales, packed, rows, rowsPerElement: 1, from: checkpoint, sums: counted)
    let values = AlignedBuffer<Float>(count: stored.count)
    for index in 0..<stored.count {
      values.pointer[index] = stored.float(index)
      guard values.pointer[index].isFinite else {
        let place =
          isByRow
          ? firstRow * packed.groupCount + index : index / rows.count * packed.rows + firstRow + index % rows.count
        throw ModelError.invalidScale(tensor: packed.scales.name, index: place, value: values.pointer[index])
      }
    }
    scales = values
    bits = packed.scales.type != .float32 ? stored.halves : nil
    zeros = try packed.zeros.map { entry in
      try Self.zeros(
        packed, rows,
        words: Self.strip(entry, packed, rows, rowsPerElement: packed.perWord, from: checkpoint, sums: counted))
    }
  }

  /// Where a row's scale or zero of a group is.
  func place(row: Int, group: Int) -> Int { (row - firstRow) * rowStride + group * groupStride }

  func scale(row: Int, group: Int) -> Float { scales.pointer[place(row: row, group: group)] }

  func zero(row: Int, group: Int) -> Int32 { zeros?.pointer[place(row: row, group: group)] ?? middle }

  /// A BF16 or F16 scale as it is stored.
  func bits(row: Int, group: Int) -> UInt16 { bits?.pointer[place(row: row, group: group)] ?? 0 }
}

extension PackedScales {
  private static func check(_ packed: PackedIntegers, in checkpoint: any Checkpoint) throws {
    if let shape = packed.shape {
      let bytes = try checkpoint.readAll(shape)
      let found = bytes.withUnsafeBytes { bytes in
        (0..<2).map { index in
          shape.type == .int64
            ? Int(bytes.loadUnaligned(fromByteOffset: 8 * index, as: Int64.self))
            : Int(bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self))
        }
      }
      guard found == [packed.rows, packed.columns] else {
        throw ModelError.wrongShape(tensor: shape.name, found: found, expected: [packed.rows, packed.columns])
      }
    }
    if let groups = packed.groups {
      let found = try checkpoint.int32s(groups)
      guard found.indices.allSatisfy({ Int(found[$0]) == $0 / packed.groupColumns }) else {
        throw ModelError.unsupported(
          key: "quantization_config.desc_act", value: "true",
          remedy: "\(groups.name) puts columns into groups in an order "
            + "of their own, which is not read; use a checkpoint quantised with desc_act false, or the unquantised one")
      }
    }
  }

  /// Elements of some rows in memory, one line after another.
  private struct Stored {
    let bytes: AlignedBuffer<UInt8>
    let type: ElementType
    let count: Int

    var halves: AlignedBuffer<UInt16> {
      let halves = AlignedBuffer<UInt16>(count: count)
      for index in 0..<count { halves.pointer[index] = load(index, UInt16.self) }
      return halves
    }

    func load<Value: BitwiseCopyable>(_ index: Int, _ type: Value.Type) -> Value {
      UnsafeRawPointer(bytes.pointer).loadUnaligned(fromByteOffset: index * MemoryLayout<Value>.stride, as: type)
    }

    /// A BF16, F16 or F32 element.
    func float(_ index: Int) -> Float {
      switch type {
      case .float32: Float(bitPattern: load(index, UInt32.self))
      case .float16: Float(Float16(bitPattern: load(index, UInt16.self)))
      default: Float(bitPattern: UInt32(load(index, UInt16.self)) << 16)
      }
    }
  }

  /// The elements of `entry` that belong to `rows`, `rowsPerElement` of which share one.
  private static func strip(
    _ entry: TensorEntry, _ packed: PackedIntegers, _ rows: Range<Int>, rowsPerElement: Int,
    from checkpoint: any Checkpoint, sums: ReadSums?
  ) throws -> Stored {
    let width = entry.type.byteCount
    let first = rows.lowerBound / rowsPerElement
    let elements = first..<((rows.upperBound + rowsPerElement - 1) / rowsPerElement)
    let count = elements.count * packed.groupCount
    let bytes = AlignedBuffer<UInt8>(count: count * width)
    if packed.packing == .compressedTensors {
      // Rows of elements follow each other.
      let range = (first * packed.groupCount * width)..<(elements.upperBound * packed.groupCount * width)
      let target = UnsafeMutableRawBufferPointer(start: bytes.pointer, count: range.count)
      try checkpoint.read(entry, bytes: range, into: target)
      // Whoever has the first row of an element answers for it.
      let own = (rows.lowerBound + rowsPerElement - 1) / rowsPerElement * packed.groupCount * width
      if own < range.upperBound {
        let part = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(target)[(own - range.lowerBound)...])
        sums?.add(TensorSum(part, at: own), of: entry)
      }
      return Stored(bytes: bytes, type: entry.type, count: count)
    }
    let strip = TensorStrip(
      entry, lineRows: packed.rows, rows: rows, elementByteCount: width, rowsPerElement: rowsPerElement,
      isCounted: sums != nil)
    let lines = max(1, StoredRows.turnedByteCount / max(1, strip.stride))
    let staging = AlignedBuffer<UInt8>(count: strip.byteCount(lines: min(lines, packed.groupCount)))
    for start in stride(from: 0, to: packed.groupCount, by: lines) {
      let part = start..<min(start + lines, packed.groupCount)
      try strip.read(part, from: checkpoint, sums: sums, into: staging.pointer)
      for line in part {
        (bytes.pointer + line * strip.bytes.count).update(
          from: staging.pointer + (line - start) * strip.stride, count: strip.bytes.count)
      }
    }
    return Stored(bytes: bytes, type: entry.type, count: count)
  }

  /// Zeros out of their words, as scales lie.
  private static func zeros(_ packed: PackedIntegers, _ rows: Range<Int>, words: Stored) -> AlignedBuffer<Int32> {
    let (perWord, groups) = (packed.perWord, packed.groupCount)
    let isByRow = packed.packing == .compressedTensors
    let first = rows.lowerBound / perWord
    let wordRows = (rows.upperBound + perWord - 1) / perWord - first
    let mask = UInt32(truncatingIfNeeded: 1 << packed.bits) &- 1
    let zeros = AlignedBuffer<Int32>(count: rows.count * groups)
    for row in rows {
      let (wordRow, shift) = (row / perWord - first, packed.shift(row % perWord))
      for group in 0..<groups {
        let word = words.load(isByRow ? wordRow * groups + group : group * wordRows + wordRow, UInt32.self)
        let index = isByRow ? (row - rows.lowerBound) * groups + group : group * rows.count + row - rows.lowerBound
        zeros.pointer[index] = Int32(word >> shift & mask) + packed.zeroOffset
      }
    }
    return zeros
  }
}
