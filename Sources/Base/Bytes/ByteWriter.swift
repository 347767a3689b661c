/// Writes the fields of a message between ranks, little-endian.
///
/// Inlinable, as `ByteReader`: across modules its generic functions would otherwise be some thirty times slower, and
/// allocate.
package struct ByteWriter {
  @usableFromInline var storage: [UInt8] = []

  @inlinable package init() {}

  @inlinable package var bytes: [UInt8] { storage }

  /// Starts anew, in the memory of the last message if nobody holds that any more and it was not a large one.
  @inlinable package mutating func clear() { storage.removeAll(keepingCapacity: storage.count < 1 << 20) }

  @inlinable
  package mutating func write<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { storage.append(contentsOf: $0) }
  }
  /// Its 32 bits, so that NaN stays what it is.
  @inlinable package mutating func write(_ value: Float) { write(value.bitPattern) }
  /// Its 64 bits.
  @inlinable package mutating func write(_ value: Double) { write(value.bitPattern) }
  /// A count, then the elements.
  @inlinable
  package mutating func write(_ values: [Int32]) {
    write(Int32(values.count))
    for value in values { write(value) }
  }
  /// The elements alone.
  @inlinable
  package mutating func writeRaw(_ values: UnsafeBufferPointer<Float>) {
    storage.append(contentsOf: UnsafeRawBufferPointer(values))
  }
  @inlinable
  package mutating func writeRaw(_ values: UnsafeBufferPointer<Int32>) {
    storage.append(contentsOf: UnsafeRawBufferPointer(values))
  }
  @inlinable
  package mutating func write(_ text: String) {
    write(Int32(text.utf8.count))
    storage.append(contentsOf: text.utf8)
  }
}
