/// A message that ended early or held an impossible count.
package struct TruncatedMessage: Error {
  @inlinable package init() {}
}

/// Reads what `ByteWriter` wrote, checking every count against what is left.
package struct ByteReader {
  @usableFromInline let bytes: [UInt8]
  @usableFromInline var at = 0

  @inlinable package init(_ bytes: [UInt8]) { self.bytes = bytes }

  @inlinable package var isAtEnd: Bool { at == bytes.count }

  @inlinable
  package mutating func read<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type = T.self
  ) throws(TruncatedMessage) -> T {
    guard bytes.count - at >= MemoryLayout<T>.size else { throw TruncatedMessage() }
    defer { at += MemoryLayout<T>.size }
    return bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: T.self)) }
  }
  @inlinable
  package mutating func readFloat() throws(TruncatedMessage) -> Float { Float(bitPattern: try read(UInt32.self)) }
  @inlinable
  package mutating func readDouble() throws(TruncatedMessage) -> Double { Double(bitPattern: try read(UInt64.self)) }

  /// A count that `width` bytes each must still fit.
  @inlinable
  package mutating func readCount(width: Int) throws(TruncatedMessage) -> Int {
    let count = Int(try read(Int32.self))
    guard count >= 0, count <= (bytes.count - at) / max(width, 1) else { throw TruncatedMessage() }
    return count
  }
  @inlinable
  package mutating func readInts() throws(TruncatedMessage) -> [Int32] { try readRaw(count: readCount(width: 4)) }

  /// The next `count` values as they lie in memory, unaligned; throws where fewer bytes are left.
  @inlinable
  package mutating func readRaw<T: BitwiseCopyable>(count: Int) throws(TruncatedMessage) -> [T] {
    let width = MemoryLayout<T>.stride
    guard count >= 0, count <= (bytes.count - at) / width else { throw TruncatedMessage() }
    defer { at += count * width }
    return bytes.withUnsafeBytes { source in
      [T](unsafeUninitializedCapacity: count) { target, initialized in
        UnsafeMutableRawBufferPointer(target).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[at..<(at + count * width)]))
        initialized = count
      }
    }
  }
  @inlinable
  package mutating func readText() throws(TruncatedMessage) -> String {
    let count = try readCount(width: 1)
    let text: [UInt8] = try readRaw(count: count)
    return String(decoding: text, as: UTF8.self)
  }
}
