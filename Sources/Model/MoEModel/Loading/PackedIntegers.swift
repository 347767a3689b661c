import Checkpoints
import Kernels
import Tensors

/// A matrix `[rows, columns]` of integers of 4 or 8 bits in words of 32, with a scale, and often a zero, for each group
/// of columns of a row: a weight is (integer − zero) · scale, rounded once to fp32, which holds it exactly where the
/// scale is BF16 or F16.
///
/// How many bits and columns share what follows from the tensors' shapes.
package struct PackedIntegers: Sendable {
  let packing: IntegerPacking
  /// I32; `[rows, columns / perWord]`, GPTQ's `[columns / perWord, rows]`, AWQ's `[columns, rows / 8]`.
  let levels: TensorEntry
  /// BF16, F16 or F32; `[rows, groups]`, of GPTQ and AWQ `[groups, rows]`.
  let scales: TensorEntry
  /// I32; compressed-tensors' `[rows / perWord, groups]`, the others' `[groups, rows / perWord]`; nil for the middle of
  /// the integers' range.
  let zeros: TensorEntry?
  /// GPTQ's group of each column, which must be as if it were left out; nil where it is.
  let groups: TensorEntry?
  /// compressed-tensors' I32 or I64 `[2]`: rows and columns.
  let shape: TensorEntry?
  let rows: Int
  let columns: Int
  let bits: Int
  let groupCount: Int
  let groupColumns: Int

  /// The format whose panels hold them as they are: that of four bits with a scale, and a zero where such are stored,
  /// in blocks of 32; nil where there is none.
  var heldFormat: WeightFormat? {
    guard bits == 4, columns % 32 == 0, groupColumns % 32 == 0 else { return nil }
    return WeightFormat(integersWithScales: scales.type, zeros: zeros != nil)
  }

  var perWord: Int { 32 / bits }
  /// What stands for zero where no zeros are stored.
  var middle: Int32 { 1 << (bits - 1) }
  /// What is added to stored zeros.
  var zeroOffset: Int32 { if case .gptq(let offset) = packing { Int32(offset) } else { 0 } }
  /// The tensors beside the integers themselves.
  var companions: [TensorEntry] { [scales, zeros, groups, shape].compactMap(\.self) }

  /// AWQ's order: which of a word's eight rows each of its nibbles, from the lowest, belongs to.
  static let awqOrder = [0, 2, 4, 6, 1, 3, 5, 7]

  /// Which bits of a word hold its element `index`.
  func shift(_ index: Int) -> UInt32 {
    guard packing == .awq else { return UInt32(index * bits) }
    return UInt32(Self.awqOrder.firstIndex(of: index) ?? 0) * 4
  }
}

extension PackedIntegers {
  /// The integers of the matrix whose unquantised tensor would be `base` + `.weight`; nil where there are none. Throws
  /// where their tensors do not go together.
  static func find(
    _ base: String, packing: IntegerPacking, rows: Int, columns: Int, in checkpoint: any Checkpoint
  ) throws -> PackedIntegers? {
    let isCompressed = packing == .compressedTensors
    guard let levels = checkpoint.tensor(base + (isCompressed ? ".weight_packed" : ".qweight")),
      levels.type == .int32
    else { return nil }
    func required(_ name: String, _ types: Set<ElementType>) throws -> TensorEntry {
      guard let entry = checkpoint.tensor(name) else { throw ModelError.missingTensor(name) }
      guard types.contains(entry.type) else {
        throw ModelError.wrongType(
          tensor: name, found: entry.type.rawValue, expected: types.map(\.rawValue).sorted().joined(separator: " or "))
      }
      return entry
    }
    func optional(_ name: String, _ types: Set<ElementType>) throws -> TensorEntry? {
      checkpoint.holds(name) ? try required(name, types) : nil
    }
    let floats: Set<ElementType> = [.bfloat16, .float16, .float32]
    let scales = try required(base + (isCompressed ? ".weight_scale" : ".scales"), floats)
    let zeros =
      try isCompressed ? optional(base + ".weight_zero_point", [.int32]) : required(base + ".qzeros", [.int32])
    let groups = try optional(base + (isCompressed ? ".weight_g_idx" : ".g_idx"), [.int32])
    if isCompressed, let groups {
      throw ModelError.unsupported(
        key: "quantization_config", value: "actorder",
        remedy: "\(groups.name) puts columns into groups in an order of "
          + "their own, which is not read; use a checkpoint without, or the unquantised one")
    }
    // What is stored along the rows, and along the columns.
    func bits(_ words: Int, of count: Int) -> Int? { [4, 8].first { (count * $0 + 31) / 32 == words } }
    let (first, second) = levels.shape.count == 2 ? (levels.shape[0], levels.shape[1]) : (0, 0)
    let bitCount: Int? =
      switch packing {
      case .compressedTensors: first == rows ? bits(second, of: columns) : nil
      case .gptq: second == rows && columns % 8 == 0 ? bits(first, of: columns) : nil
      case .awq: first == columns && rows % 8 == 0 && second == rows / 8 ? 4 : nil
      }
    guard let bitCount else {
      throw ModelError.wrongShape(
        tensor: levels.name, found: levels.shape, expected: Self.shape(packing, rows: rows, columns: columns))
    }
    let perWord = 32 / bitCount
    let groupCount = scales.shape.count == 2 ? scales.shape[isCompressed ? 1 : 0] : 0
    guard groupCount > 0, columns % groupCount == 0,
      scales.shape == (isCompressed ? [rows, groupCount] : [groupCount, rows])
    else {
      throw ModelError.wrongShape(
        tensor: scales.name, found: scales.shape,
        expected: isCompressed ? [rows, max(columns / 32, 1)] : [max(columns / 128, 1), rows])
    }
    let zeroWords = (rows + perWord - 1) / perWord
    let zeroShape = isCompressed ? [zeroWords, groupCount] : [groupCount, zeroWords]
    if let zeros, zeros.shape != zeroShape {
      throw ModelError.wrongShape(tensor: zeros.name, found: zeros.shape, expected: zeroShape)
    }
    if let groups, groups.shape != [columns] {
      throw ModelError.wrongShape(tensor: groups.name, found: groups.shape, expected: [columns])
    }
    let shape = try isCompressed ? optional(base + ".weight_shape", [.int32, .int64]) : nil
    if let shape, shape.shape != [2] {
      throw ModelError.wrongShape(tensor: shape.name, found: shape.shape, expected: [2])
    }
    return PackedIntegers(
      packing: packing, levels: levels, scales: scales, zeros: zeros, groups: groups, shape: shape, rows: rows,
      columns: columns, bits: bitCount, groupCount: groupCount, groupColumns: columns / groupCount)
  }

  private static func shape(_ packing: IntegerPacking, rows: Int, columns: Int) -> [Int] {
    switch packing {
    case .compressedTensors: [rows, (columns + 7) / 8]
    case .gptq: [columns / 8, rows]
    case .awq: [columns, rows / 8]
    }
  }
}
