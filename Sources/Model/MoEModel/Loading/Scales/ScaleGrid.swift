import Checkpoints
import Tensors

/// The scales of an FP8 or FP4 tensor: a grid of them for each of its matrices, one for each block of some rows and
/// columns.
package struct ScaleGrid: Sendable {
  /// What all scales of a tensor are multiplied with, or divided by: an F32 tensor of one number.
  struct Common: Sendable {
    let entry: TensorEntry
    let divides: Bool
  }

  /// F32, F16 or BF16, powers of two (E8M0, also stored as U8), or E4M3.
  package let entry: TensorEntry
  /// Nil for none.
  let common: Common?
  /// Rows of one of the tensor's matrices.
  let matrixRows: Int
  /// Scales along rows and columns of one matrix.
  let rows: Int
  let columns: Int
  let rowBlock: Int
  let columnBlock: Int
  /// One grid serves all matrices.
  let isShared: Bool

  /// The scales' names beside those of a tensor: block scales as DeepSeek has them, as compressed-tensors and others
  /// do, and as DeepSeek-V4 and Mistral call them, for which a last `.weight` makes way.
  private static func names(of tensor: String) -> [String] {
    let base = DottedName(tensor).before("weight").map(String.init) ?? tensor
    return [tensor + "_scale_inv", tensor + "_scale", base + ".scale", base + ".qscale_weight"]
  }

  /// The tensor of the scales of a tensor `name`; nil where there is none.
  static func entry(of name: String, in checkpoint: any Checkpoint) -> TensorEntry? {
    for name in names(of: name) { if let entry = checkpoint.tensor(name) { return entry } }
    return nil
  }

  /// All tensors that scales are read from.
  package var entries: [TensorEntry] { [entry] + (common.map { [$0.entry] } ?? []) }

  /// Whether every scale is a power of two.
  var arePowersOfTwo: Bool { common == nil && (entry.type == .float8E8M0 || entry.type == .uint8) }

  /// Finds the scales of the tensor `name` of `rows` (their count, or that of matrices and of rows in each) and
  /// `columns`.
  ///
  /// Which block a scale is for follows from the shape of the grid; where several blocks would give it, from `block`,
  /// the configuration's, or else it is 128.
  static func find(
    of name: String, rows: [Int], columns: Int, block: Quantization.Block?, in checkpoint: any Checkpoint
  ) throws -> ScaleGrid {
    let matrixRows = rows[rows.count - 1]
    let expected = Array(rows.dropLast()) + [(matrixRows + 127) / 128, (columns + 127) / 128]
    if let entry = Self.entry(of: name, in: checkpoint) {
      guard [.float32, .bfloat16, .float16, .float8E8M0, .uint8].contains(entry.type) else {
        throw ModelError.wrongType(
          tensor: entry.name, found: entry.type.rawValue, expected: "F32, F16, BF16, F8_E8M0 or U8")
      }
      guard let grid = ScaleGrid(entry, rows: rows, columns: columns, block: block) else {
        throw ModelError.wrongShape(tensor: entry.name, found: entry.shape, expected: expected)
      }
      return grid
    }
    throw ModelError.missingTensor(names(of: name)[0])
  }

  /// Nil when the scales' shape does not go with the tensor's.
  init?(_ entry: TensorEntry, rows: [Int], columns: Int, block: Quantization.Block?, common: Common? = nil) {
    let matrixRows = rows[rows.count - 1]
    var shape = entry.shape
    var isShared = false
    if entry.elementCount == 1 {
      (shape, isShared) = ([1, 1], true)
    } else if rows.count == 2 {
      guard shape.first == rows[0] else { return nil }
      shape.removeFirst()
    }
    // ModelOpt keeps the dimensions inside a block, of one each.
    if shape.count == 4, shape[1] == 1, shape[3] == 1 { shape = [shape[0], shape[2]] }
    if shape.isEmpty { shape = [1] }
    if shape.count == 1 { shape.append(1) }
    guard shape.count == 2,
      let rowBlock = Self.block(of: matrixRows, count: shape[0], configured: block?.rows),
      let columnBlock = Self.block(of: columns, count: shape[1], configured: block?.columns)
    else { return nil }
    (self.entry, self.common, self.matrixRows) = (entry, common, matrixRows)
    (self.rows, self.columns) = (shape[0], shape[1])
    (self.rowBlock, self.columnBlock) = (rowBlock, columnBlock)
    self.isShared = isShared
  }

  /// The size of blocks of which `count` cover `size`; nil where there is none, or several and no reason to choose one.
  private static func block(of size: Int, count: Int, configured: Int?) -> Int? {
    guard count > 0, size > 0 else { return nil }
    if count == 1 { return size }
    for block in [configured, 128].compactMap(\.self) where (size + block - 1) / block == count { return block }
    return size % count == 0 ? size / count : nil
  }

  /// Which row of the grid, counted through all matrices, has the scales of the tensor's row `row`.
  func gridRow(ofRow row: Int) -> Int {
    let matrix = isShared ? 0 : row / matrixRows
    return matrix * rows + row % matrixRows / rowBlock
  }

  /// The scales of some rows of the grid, `[gridRows, columns]`. Several workers may read the same ones: `sums` gets
  /// the sum of the whole tensor, once.
  func values(_ gridRows: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?) throws -> [Float] {
    sums?.noteWhole(entry) {
      (try? checkpoint.readAll(entry)).map { bytes in bytes.withUnsafeBytes { TensorSum($0, at: 0) } } ?? TensorSum()
    }
    let width = entry.type.byteCount
    var bytes = [UInt8](repeating: 0, count: gridRows.count * columns * width)
    let first = gridRows.lowerBound * columns * width
    try bytes.withUnsafeMutableBytes { try checkpoint.read(entry, bytes: first..<(first + $0.count), into: $0) }
    let factor = try common.map { try $0.factor(from: checkpoint, sums: sums) }
    return bytes.withUnsafeBytes { bytes in
      (0..<(gridRows.count * columns)).map { index in
        let value = Self.value(bytes, index, entry.type)
        guard let factor, let common else { return value }
        return common.divides ? value / factor : value * factor
      }
    }
  }

  private static func value(_ bytes: UnsafeRawBufferPointer, _ index: Int, _ type: ElementType) -> Float {
    switch type {
    case .float32: Float(bitPattern: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
    case .bfloat16: Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
    case .float16: Float(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
    case .float8E4M3: float8(bytes[index])
    default: powerOfTwo(bytes[index])
    }
  }

  /// FP8 E4M3: four bits of exponent, biased by 7, and three of fraction; without infinities.
  private static func float8(_ bits: UInt8) -> Float {
    guard bits & 0x7F != 0x7F else { return .nan }
    let magnitude = Float(bitPattern: UInt32(bits & 0x7F) << 20) * 0x1p120
    return bits & 0x80 == 0 ? magnitude : -magnitude
  }

  /// 2 to the power of `exponent` − 127; NaN for 255.
  static func powerOfTwo(_ exponent: UInt8) -> Float {
    switch exponent {
    case 0: Float(bitPattern: 0x0040_0000)
    case 255: .nan
    default: Float(bitPattern: UInt32(exponent) << 23)
    }
  }
}

extension ScaleGrid.Common {
  /// Throws where the number is none to multiply with or to divide by.
  fileprivate func factor(from checkpoint: any Checkpoint, sums: ReadSums?) throws -> Float {
    let factor = try checkpoint.float32s(entry, sums: sums)[0]
    guard factor > 0 else { throw ModelError.invalidScale(tensor: entry.name, index: 0, value: factor) }
    return factor
  }
}
