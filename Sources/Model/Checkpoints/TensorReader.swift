import Tensors

/// Bytes of tensors, wherever they lie; safe from any thread.
package protocol TensorReader: Sendable {
  /// Fills the start of `buffer` with `bytes` (counted from the tensor's first) of a tensor.
  func read(
    _ entry: TensorEntry, bytes range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError)
  /// The file a tensor is in, for messages.
  func file(of entry: TensorEntry) -> String
}

/// Most bytes that a tensor read whole into an array may have; larger ones are read in ranges.
private let wholeTensorByteCount = 1 << 30

extension TensorReader {
  /// Some bytes of a tensor, counted from its first.
  func bytes(_ entry: TensorEntry, _ range: Range<Int>) throws(CheckpointError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    var failure: CheckpointError?
    bytes.withUnsafeMutableBytes { buffer in
      do throws(CheckpointError) { try read(entry, bytes: range, into: buffer) } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }

  /// All bytes of a small tensor, as stored.
  package func readAll(_ entry: TensorEntry) throws(CheckpointError) -> [UInt8] {
    try array(of: UInt8.self, count: entry.byteCount, entry)
  }

  /// A small F32, F16 or BF16 tensor as fp32, which holds each exactly; with `finite`, NaN and infinities are refused.
  /// `sums` gets the sum of its bytes.
  package func float32s(
    _ entry: TensorEntry, finite: Bool = true, sums: ReadSums? = nil
  ) throws(CheckpointError) -> [Float] {
    let count = entry.elementCount
    let values: [Float]
    switch entry.type {
    case .float32: values = try array(of: UInt32.self, count: count, entry, sums).map { Float(bitPattern: $0) }
    case .bfloat16:
      values = try array(of: UInt16.self, count: count, entry, sums).map { Float(bitPattern: UInt32($0) << 16) }
    case .float16: values = try array(of: UInt16.self, count: count, entry, sums).map { Float(Float16(bitPattern: $0)) }
    default: throw .notConvertible(path: file(of: entry), name: entry.name, type: entry.type.rawValue, to: "fp32")
    }
    if finite, let element = values.firstIndex(where: { !$0.isFinite }) { throw notFinite(entry, element: element) }
    return values
  }

  /// The error that names an element, by its place in the tensor as stored, which is no finite number.
  package func notFinite(_ entry: TensorEntry, element: Int) -> CheckpointError {
    .notFinite(
      path: file(of: entry), name: entry.name, element: element,
      byte: entry.byteOffset + element * entry.type.byteCount)
  }

  /// A small I32 tensor.
  package func int32s(_ entry: TensorEntry) throws(CheckpointError) -> [Int32] {
    guard entry.type == .int32 else {
      throw .notConvertible(path: file(of: entry), name: entry.name, type: entry.type.rawValue, to: "32-bit integers")
    }
    return try array(of: Int32.self, count: entry.elementCount, entry)
  }

  /// A small I32 or I64 tensor; `sums` gets the sum of its bytes.
  package func integers(_ entry: TensorEntry, sums: ReadSums? = nil) throws(CheckpointError) -> [Int64] {
    switch entry.type {
    case .int32: try array(of: Int32.self, count: entry.elementCount, entry, sums).map { Int64($0) }
    case .int64: try array(of: Int64.self, count: entry.elementCount, entry, sums)
    default:
      throw .notConvertible(path: file(of: entry), name: entry.name, type: entry.type.rawValue, to: "integers")
    }
  }

  /// Whether two tensors are of one type and shape and hold the same bytes, all of which are read.
  func compareBytes(_ a: TensorEntry, _ b: TensorEntry, in other: some TensorReader) throws(CheckpointError) -> Bool {
    guard a.type == b.type, a.shape == b.shape else { return false }
    let piece = 4 << 20
    for first in stride(from: 0, to: a.byteCount, by: piece) {
      let range = first..<min(first + piece, a.byteCount)
      guard try bytes(a, range) == other.bytes(b, range) else { return false }
    }
    return true
  }

  /// The tensor's bytes as `count` values of a trivial type, in the machine's byte order, which is the file's.
  private func array<Element: BitwiseCopyable & FixedWidthInteger>(
    of type: Element.Type, count: Int, _ entry: TensorEntry, _ sums: ReadSums? = nil
  ) throws(CheckpointError) -> [Element] {
    guard entry.byteCount <= wholeTensorByteCount else {
      throw .tooLargeToReadWhole(
        path: file(of: entry), name: entry.name, byteCount: entry.byteCount, limit: wholeTensorByteCount)
    }
    var values = [Element](repeating: 0, count: count)
    var failure: CheckpointError?
    values.withUnsafeMutableBytes { buffer in
      do throws(CheckpointError) {
        try read(entry, bytes: 0..<entry.byteCount, into: buffer)
        sums?.noteWhole(entry) { TensorSum(UnsafeRawBufferPointer(buffer), at: 0) }
      } catch { failure = error }
    }
    if let failure { throw failure }
    return values
  }
}
