/// The combine message: the partial sums of the tokens one rank sent to another.
///
/// When it was sent, in nanoseconds of the sender's clock (8 bytes, little-endian), and padding to 64 bytes; then sums
/// (fp32) `[rows, hidden]`, as many as both sides know from the dispatch.
struct CombineMessage {
  private static let headerBytes = 64

  /// Aligned to 64 bytes.
  let base: UnsafeMutableRawPointer

  static func byteCount(rows: Int, hiddenSize: Int) -> Int { headerBytes + rows * hiddenSize * 4 }

  var stamp: UInt64 {
    get { UInt64(littleEndian: base.loadUnaligned(as: UInt64.self)) }
    nonmutating set { base.storeBytes(of: newValue.littleEndian, as: UInt64.self) }
  }
  var rows: UnsafeMutablePointer<Float> { (base + Self.headerBytes).assumingMemoryBound(to: Float.self) }
}
