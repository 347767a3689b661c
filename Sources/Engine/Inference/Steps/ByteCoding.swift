/// Writes the fields of a message between ranks, little-endian.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  /// Starts anew, in the memory of the last message if nobody holds that any more and it was not a large one.
  mutating func clear() { bytes.removeAll(keepingCapacity: bytes.count < 1 << 20) }

  mutating func write<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
  mutating func write(_ value: Float) { write(value.bitPattern) }
  /// A count, then the elements.
  mutating func write(_ values: [Int32]) {
    write(Int32(values.count))
    for value in values { write(value) }
  }
  /// The elements alone.
  mutating func writeRaw(_ values: UnsafeBufferPointer<Float>) {
    bytes.append(contentsOf: UnsafeRawBufferPointer(values))
  }
  mutating func writeRaw(_ values: UnsafeBufferPointer<Int32>) {
    bytes.append(contentsOf: UnsafeRawBufferPointer(values))
  }
  mutating func write(_ text: String) {
    write(Int32(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }
}

/// A message that ended early or held an impossible count.
struct TruncatedMessage: Error {}

/// Reads what `ByteWriter` wrote, checking every count against what is left.
struct ByteReader {
  private let bytes: [UInt8]
  private var at = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { at == bytes.count }

  mutating func read<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type = T.self) throws(TruncatedMessage) -> T {
    guard bytes.count - at >= MemoryLayout<T>.size else { throw TruncatedMessage() }
    defer { at += MemoryLayout<T>.size }
    return bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: T.self)) }
  }
  mutating func readFloat() throws(TruncatedMessage) -> Float { Float(bitPattern: try read(UInt32.self)) }

  /// A count that `width` bytes each must still fit.
  mutating func readCount(width: Int) throws(TruncatedMessage) -> Int {
    let count = Int(try read(Int32.self))
    guard count >= 0, count <= (bytes.count - at) / max(width, 1) else { throw TruncatedMessage() }
    return count
  }
  mutating func readInts() throws(TruncatedMessage) -> [Int32] { try readRaw(count: readCount(width: 4)) }

  mutating func readRaw<T: BitwiseCopyable>(count: Int) throws(TruncatedMessage) -> [T] {
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
  mutating func readText() throws(TruncatedMessage) -> String {
    let count = try readCount(width: 1)
    let text: [UInt8] = try readRaw(count: count)
    return String(decoding: text, as: UTF8.self)
  }
}
