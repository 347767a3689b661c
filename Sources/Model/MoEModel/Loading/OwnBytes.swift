import Checkpoints
import Kernels

/// Which bytes of a read a matrix answers for, so that each byte of a tensor is summed once whoever reads it: `count`
/// runs of `runByteCount`, `stride` apart, the first at the read's first byte.
struct OwnBytes {
  var count: Int
  var runByteCount: Int
  var stride: Int

  static let none = OwnBytes(count: 0, runByteCount: 0, stride: 0)

  static func all(_ byteCount: Int) -> OwnBytes { OwnBytes(count: 1, runByteCount: byteCount, stride: byteCount) }

  func isAll(of byteCount: Int) -> Bool { count * runByteCount == byteCount && (count <= 1 || stride == runByteCount) }

  /// Their sum, where the read's first byte is the tensor's byte `offset`.
  func sum(of bytes: UnsafeRawBufferPointer, at offset: Int) -> TensorSum {
    if isAll(of: bytes.count) { return TensorSum(bytes, at: offset) }
    var sum = TensorSum()
    for run in 0..<count {
      let first = run * stride
      sum += TensorSum(UnsafeRawBufferPointer(rebasing: bytes[first..<(first + runByteCount)]), at: offset + first)
    }
    return sum
  }
}

extension MatrixSource {
  /// Elements to read of one column for `count` rows, and whether this matrix answers for them. Where rows of two
  /// matrices lie between each other, as those of gate and up do, the first of the two answers for both.
  func columnRun(rows count: Int) -> (span: Int, isOwn: Bool) {
    guard case .columns(let first, let columnStride, let rowStride) = layout, first % rowStride == 0,
      rows * rowStride <= columnStride, count * rowStride % max(storedFormat?.blockColumns ?? 0, 1) == 0
    else { return ((count - 1) * stepBetweenRows + 1, false) }
    return (count * rowStride, true)
  }

  private var stepBetweenRows: Int { if case .columns(_, _, let rowStride) = layout { rowStride } else { 1 } }
}
