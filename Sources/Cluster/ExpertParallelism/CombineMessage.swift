import Kernels

/// The combine message: the partial sums of the tokens one rank sent to another.
///
/// When it was sent, in nanoseconds of the sender's clock (8 bytes, little-endian), and padding to 64 bytes; then sums
/// `[rows, hidden]` as `WireFormat` says, as many as both sides know from the dispatch.
struct CombineMessage {
  static let headerBytes = 64

  /// Aligned to 64 bytes.
  let base: UnsafeMutableRawPointer
  let wire: WireFormat

  var stamp: UInt64 {
    get { UInt64(littleEndian: base.loadUnaligned(as: UInt64.self)) }
    nonmutating set { base.storeBytes(of: newValue.littleEndian, as: UInt64.self) }
  }

  private func row(_ index: Int) -> UnsafeMutableRawPointer { base + Self.headerBytes + index * wire.sumByteCount }

  /// The rows where they lie, which their reader may overwrite; nil where they are not fp32.
  var floats: UnsafeMutablePointer<Float>? {
    wire.sums == .float32 ? row(0).assumingMemoryBound(to: Float.self) : nil
  }

  func write(_ sum: UnsafePointer<Float>, row index: Int, _ compute: Compute) {
    compute.round(sum, columns: wire.hiddenSize, as: wire.sums.rowFormat, into: row(index))
  }

  /// sum `[hidden]` := row `index`.
  func read(row index: Int, into sum: UnsafeMutablePointer<Float>) {
    switch wire.sums {
    case .float32: UnsafeMutableRawPointer(sum).copyMemory(from: row(index), byteCount: wire.hiddenSize * 4)
    case .bfloat16:
      let halves = row(index).assumingMemoryBound(to: UInt16.self)
      for column in 0..<wire.hiddenSize { sum[column] = Float(bitPattern: UInt32(halves[column]) << 16) }
    }
  }
}
