import Checkpoints
import Kernels
import Tensors

extension StoredParameters {
  /// A matrix of fewer than eight bits a weight as other programs pack it; nil where `name` is stored otherwise.
  func storedPacked(_ name: String, leading: [Int], columns: Int) throws -> MatrixSource.Stored? {
    guard let module = DottedName(name).before("weight"), leading.count == 1 else { return nil }
    let (base, rows) = (String(module), leading[0])
    if case .integers(let packing) = quantization,
      let packed = try PackedIntegers.find(base, packing: packing, rows: rows, columns: columns, in: checkpoint)
    {
      return MatrixSource.Stored(
        entry: packed.levels, format: packed.heldFormat, packed: packed, plain: (name, leading))
    }
    return try storedFP4(name, base, rows: rows, columns: columns)
  }

  /// Two FP4 values to a byte, the lower half first: compressed-tensors' `weight_packed`, and `weight` itself as
  /// ModelOpt and DeepSeek-V4 have it. Scales are powers of two for 32 columns, or FP8 for 16 with one for the tensor.
  private func storedFP4(_ name: String, _ base: String, rows: Int, columns: Int) throws -> MatrixSource.Stored? {
    let packed = checkpoint.tensor(base + ".weight_packed")
    guard let found = packed ?? checkpoint.tensor(name), found.type == .uint8 || found.type == .int8,
      columns % 2 == 0, found.shape == [rows, columns / 2], let scales = ScaleGrid.entry(of: name, in: checkpoint)
    else { return nil }
    let plain = (name, [rows])
    switch scales.type {
    case .uint8, .float8E8M0:
      guard columns % 32 == 0, scales.shape == [rows, columns / 32] else {
        throw ModelError.wrongShape(tensor: scales.name, found: scales.shape, expected: [rows, columns / 32])
      }
      return MatrixSource.Stored(entry: found, format: .mxfp4, scales: ExponentScales(entry: scales), plain: plain)
    case .float8E4M3:
      let common = try commonScale(name, base)
      guard columns % 16 == 0, scales.shape == [rows, columns / 16],
        let grid = ScaleGrid(
          scales, rows: [rows], columns: columns, block: Quantization.Block(rows: 1, columns: 16), common: common)
      else {
        throw ModelError.wrongShape(tensor: scales.name, found: scales.shape, expected: [rows, columns / 16])
      }
      return MatrixSource.Stored(entry: found, format: .mxfp4, scales: NVFP4Scales(grid: grid), plain: plain)
    default:
      throw ModelError.wrongType(tensor: scales.name, found: scales.type.rawValue, expected: "U8, F8_E8M0 or F8_E4M3")
    }
  }

  /// NVFP4's scale of the whole tensor: ModelOpt's is a factor, compressed-tensors' a divisor.
  private func commonScale(_ name: String, _ base: String) throws -> ScaleGrid.Common {
    for (other, divides) in [(name + "_scale_2", false), (base + ".weight_global_scale", true)] {
      guard let entry = checkpoint.tensor(other) else { continue }
      guard entry.type == .float32, entry.elementCount == 1 else {
        throw ModelError.wrongType(tensor: other, found: "\(entry.type.rawValue) \(entry.shape)", expected: "one F32")
      }
      return ScaleGrid.Common(entry: entry, divides: divides)
    }
    throw ModelError.missingTensor(name + "_scale_2")
  }
}
