import Checkpoints
import Kernels
import Tensors

/// The scales of an FP8 tensor: a grid of them for each of its matrices, one for each block of some rows and columns.
package struct ScaleGrid: Sendable {
  /// F32, F16 or BF16, or powers of two (E8M0, also stored as U8).
  package let entry: TensorEntry
  /// Rows of one of the tensor's matrices.
  let matrixRows: Int
  /// Scales along rows and columns of one matrix.
  let rows: Int
  let columns: Int
  let rowBlock: Int
  let columnBlock: Int
  /// One grid serves all matrices.
  let isShared: Bool

  /// The scales' names beside those of a tensor: block scales as DeepSeek has them, and as compressed-tensors and
  /// others do.
  private static let suffixes = ["_scale_inv", "_scale"]

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
    for suffix in suffixes {
      guard let entry = checkpoint.tensor(name + suffix) else { continue }
      guard [.float32, .bfloat16, .float16, .float8E8M0, .uint8].contains(entry.type) else {
        throw ModelError.wrongType(
          tensor: entry.name, found: entry.type.rawValue, expected: "F32, F16, BF16, F8_E8M0 or U8")
      }
      guard let grid = ScaleGrid(entry, rows: rows, columns: columns, block: block) else {
        throw ModelError.wrongShape(tensor: entry.name, found: entry.shape, expected: expected)
      }
      return grid
    }
    throw ModelError.missingTensor(name + suffixes[0])
  }

  /// Nil when the scales' shape does not go with the tensor's.
  private init?(_ entry: TensorEntry, rows: [Int], columns: Int, block: Quantization.Block?) {
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
    self.entry = entry
    self.matrixRows = matrixRows
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

  /// Whether panels in `format` can hold the scales of rows of `width` columns.
  func fitsPanels(of format: WeightFormat, width: Int) -> Bool {
    columnBlock % format.scaleColumns == 0 || columnBlock >= width
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
    return bytes.withUnsafeBytes { bytes in
      (0..<(gridRows.count * columns)).map { index in
        switch entry.type {
        case .float32: Float(bitPattern: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        case .bfloat16:
          Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
        case .float16: Float(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
        default: Self.powerOfTwo(bytes[index])
        }
      }
    }
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
