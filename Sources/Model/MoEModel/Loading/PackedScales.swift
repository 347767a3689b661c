import Checkpoints
import Tensors

/// Scales and zeros of some rows of packed integers, in memory and checked.
struct PackedScales {
  /// `[rows, groups]`
  private let scales: [Float]
  /// The same; nil where all are the middle of the integers' range.
  private let zeros: [Int32]?
  private let packed: PackedIntegers
  private let firstRow: Int

  /// Reads those of `rows`, and holds against the matrix what is said of its shape and of its groups. `sums` gets the
  /// sum of the scales of rows, which nobody else reads, and of each other tensor once, however many read it.
  init(_ packed: PackedIntegers, rows: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?) throws {
    (self.packed, firstRow) = (packed, rows.lowerBound)
    let isByRow = packed.packing == .compressedTensors
    for entry in packed.companions where !isByRow || entry != packed.scales {
      sums?.noteWhole(entry) {
        (try? checkpoint.readAll(entry)).map { bytes in bytes.withUnsafeBytes { TensorSum($0, at: 0) } } ?? TensorSum()
      }
    }
    try Self.check(packed, in: checkpoint)
    let count = packed.groupCount
    let values = try Self.values(
      packed.scales, elements: isByRow ? (rows.lowerBound * count)..<(rows.upperBound * count) : nil, checkpoint, sums)
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw ModelError.invalidScale(
        tensor: packed.scales.name, index: bad + (isByRow ? rows.lowerBound * count : 0), value: values[bad])
    }
    scales =
      isByRow ? values : rows.flatMap { row in (0..<count).map { values[$0 * packed.rows + row] } }
    zeros = try packed.zeros.map { entry in
      let words = try checkpoint.int32s(entry).map { UInt32(bitPattern: $0) }
      let (perWord, wordRows) = (packed.perWord, (packed.rows + packed.perWord - 1) / packed.perWord)
      let mask = UInt32(truncatingIfNeeded: 1 << packed.bits) &- 1
      return rows.flatMap { row in
        (0..<count).map { group in
          let word = words[isByRow ? row / perWord * count + group : group * wordRows + row / perWord]
          return Int32(word >> packed.shift(row % perWord) & mask) + packed.zeroOffset
        }
      }
    }
  }

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

  /// Elements of a BF16, F16 or F32 tensor, all of them if `elements` is nil.
  private static func values(
    _ entry: TensorEntry, elements: Range<Int>?, _ checkpoint: any Checkpoint, _ sums: ReadSums?
  ) throws -> [Float] {
    guard let elements else { return try checkpoint.float32s(entry, finite: false) }
    let width = entry.type.byteCount
    var bytes = [UInt8](repeating: 0, count: elements.count * width)
    try bytes.withUnsafeMutableBytes {
      try checkpoint.read(entry, bytes: (elements.lowerBound * width)..<(elements.upperBound * width), into: $0)
      sums?.add(TensorSum(UnsafeRawBufferPointer($0), at: elements.lowerBound * width), of: entry)
    }
    return bytes.withUnsafeBytes { bytes in
      (0..<elements.count).map { index in
        switch entry.type {
        case .float32: Float(bitPattern: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        case .float16: Float(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
        default: Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
        }
      }
    }
  }

  func scale(row: Int, group: Int) -> Float { scales[(row - firstRow) * packed.groupCount + group] }

  /// A BF16 or F16 scale as it is stored.
  func bits(row: Int, group: Int) -> UInt16 {
    let scale = scale(row: row, group: group)
    return packed.scales.type == .float16
      ? Float16(scale).bitPattern : UInt16(truncatingIfNeeded: scale.bitPattern >> 16)
  }

  func zero(row: Int, group: Int) -> Int32 {
    zeros.map { $0[(row - firstRow) * packed.groupCount + group] } ?? packed.middle
  }
}
