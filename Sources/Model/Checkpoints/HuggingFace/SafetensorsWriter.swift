import Glibc
import JSON
import Synchronization
import Tensors

/// Writes one safetensors file whose shapes are known beforehand, in one pass.
///
/// The file appears under its name only when finished: until then it is `<path>.partial-…`, which is removed if
/// the writer goes away first. Wider elements are laid out first, so that each tensor is aligned to its element size.
package final class SafetensorsWriter {
  /// A tensor to be written: row-major, little-endian.
  package struct Declaration: Sendable {
    package let name: String
    package let type: ElementType
    package let shape: [Int]
    package init(_ name: String, _ type: ElementType, _ shape: [Int]) {
      (self.name, self.type, self.shape) = (name, type, shape)
    }
  }

  private struct Destination {
    let name: String
    let offset: Int
    let byteCount: Int
  }

  package let path: String
  private let partialPath: String
  private var descriptor: Int32
  private let destinations: [Destination]
  /// What was written of each.
  private let written: Mutex<[TensorSum]>
  private var positions: [ExactString: Int] = [:]

  /// Creates the file and writes its header; throws when a declaration is not one that readers accept.
  package init(path: String, tensors: [Declaration], metadata: [(String, String)] = []) throws(CheckpointError) {
    let (header, laidOut) = try Self.layOut(tensors, metadata: metadata, path: path)
    destinations = laidOut
    written = Mutex(Array(repeating: TensorSum(), count: laidOut.count))
    for (position, destination) in laidOut.enumerated() {
      guard positions.updateValue(position, forKey: ExactString(destination.name)) == nil else {
        throw .writing(path: path, name: destination.name, .declaredTwice)
      }
    }
    self.path = path
    guard !path.utf8.contains(0) else { throw .system(operation: "create", path: path, code: EINVAL) }
    // O_EXCL: never write into what another process, or one long dead, left there.
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
    var partial = ""
    var opened: Int32 = -1
    for attempt in 0..<100 {
      partial = "\(path).partial-\(getpid())-\(attempt)"
      opened = retryingInterrupts { open(partial, flags, 0o666) }
      if opened >= 0 || errno != EEXIST { break }
    }
    guard opened >= 0 else { throw .system(operation: "create", path: partial, code: errno) }
    descriptor = opened
    partialPath = partial
    try header.withUnsafeBufferPointer { (bytes) throws(CheckpointError) in
      try write(UnsafeRawBufferPointer(bytes), at: 0)
    }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(partialPath)
  }

  /// Adds the next bytes of a tensor; a tensor may come in pieces, and tensors in any order.
  package func append(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    try write(name, bytes, from: nil)
  }

  /// Fills a tensor from byte `offset` on; safe from any thread. Each byte of a tensor must be written once.
  package func write(_ name: String, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(CheckpointError) {
    try write(name, bytes, from: offset)
  }

  private func write(_ name: String, _ bytes: UnsafeRawBufferPointer, from offset: Int?) throws(CheckpointError) {
    guard descriptor >= 0 else { throw .writing(path: path, name: name, .alreadyFinished) }
    guard let position = positions[ExactString(name)] else { throw .writing(path: path, name: name, .undeclared) }
    let destination = destinations[position]
    let first = offset ?? written.withLock { $0[position].byteCount }
    let fits = first >= 0 && first <= destination.byteCount - bytes.count
    let sum = TensorSum(bytes, at: first)
    let hasRoom = written.withLock {
      guard fits, bytes.count <= destination.byteCount - $0[position].byteCount else { return false }
      $0[position] += sum
      return true
    }
    guard hasRoom else { throw .writing(path: path, name: name, .tooManyBytes(declared: destination.byteCount)) }
    try write(bytes, at: destination.offset + first)
  }

  /// Adds the next elements of a tensor, as they lie in memory.
  package func append<Element: BitwiseCopyable>(_ name: String, _ elements: [Element]) throws(CheckpointError) {
    try elements.withUnsafeBufferPointer { (elements) throws(CheckpointError) in
      try append(name, UnsafeRawBufferPointer(elements))
    }
  }

  /// Checks that every tensor is complete, and gives the file its name.
  package func finish() throws(CheckpointError) {
    guard descriptor >= 0 else { throw .writing(path: path, name: "", .alreadyFinished) }
    for (tensor, sum) in zip(destinations, written.withLock { $0 }) where sum.byteCount < tensor.byteCount {
      throw .writing(path: path, name: tensor.name, .unfinished(written: sum.byteCount, declared: tensor.byteCount))
    }
    guard fsync(descriptor) == 0 || errno == EINVAL else {
      throw .system(operation: "write", path: partialPath, code: errno)
    }
    let closing = descriptor
    descriptor = -1
    // Network file systems report a full disk only here.
    guard close(closing) == 0 else { throw failed("write", partialPath) }
    guard rename(partialPath, path) == 0 else { throw failed("create", path) }
  }

  /// Adds the sums of all tensors to `sums`; of a finished file.
  package func record(into sums: inout RecordedSums) {
    for (tensor, sum) in zip(destinations, written.withLock { $0 }) { sums[tensor.name] = sum.value }
  }

  private func failed(_ operation: String, _ subject: String) -> CheckpointError {
    let code = errno
    unlink(partialPath)
    return .system(operation: operation, path: subject, code: code)
  }

  private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(CheckpointError) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count = retryingInterrupts { pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) }
      guard count > 0 else { throw .system(operation: "write", path: partialPath, code: count == 0 ? ENOSPC : errno) }
      done += count
    }
  }

  /// The length and header, padded with spaces to a multiple of 8 bytes, and where each tensor's data go.
  private static func layOut(
    _ tensors: [Declaration], metadata: [(String, String)], path: String
  ) throws(CheckpointError) -> ([UInt8], [Destination]) {
    let limits = CheckpointLimits()
    var table = JSONObject()
    if !metadata.isEmpty { table["__metadata__"] = .object(JSONObject(metadata.map { ($0, .string($1)) })) }
    var spans: [(name: String, begin: Int, byteCount: Int)] = []
    var end = 0
    let wideFirst = tensors.enumerated().sorted {
      ($1.element.type.byteCount, $0.offset) < ($0.element.type.byteCount, $1.offset)
    }
    for tensor in wideFirst.map(\.element) {
      let acceptable =
        !tensor.name.isEmpty && tensor.name != "__metadata__" && tensor.name.utf8.count <= limits.nameByteCount
        && tensor.shape.count <= limits.rank && tensor.shape.allSatisfy { $0 >= 0 && $0 <= limits.dimension }
      guard acceptable, let byteCount = TensorEntry.byteCount(of: tensor.shape, tensor.type) else {
        throw .writing(path: path, name: tensor.name, .badShape)
      }
      let (next, overflowed) = end.addingReportingOverflow(byteCount)
      guard !overflowed else { throw .writing(path: path, name: tensor.name, .badShape) }
      table[tensor.name] = [
        "dtype": .string(tensor.type.rawValue), "shape": .array(tensor.shape.map { .int($0) }),
        "data_offsets": .array([.int(end), .int(next)]),
      ]
      spans.append((tensor.name, end, byteCount))
      end = next
    }
    var header = Array(JSONValue.object(table).text().utf8)
    header += [UInt8](repeating: 0x20, count: (8 - header.count % 8) % 8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    let dataStart = 8 + header.count
    guard !end.addingReportingOverflow(dataStart).overflow, header.count <= limits.headerByteCount else {
      throw .writing(path: path, name: spans.last?.name ?? "", .badShape)
    }
    let destinations = spans.map { Destination(name: $0.name, offset: dataStart + $0.begin, byteCount: $0.byteCount) }
    return (length + header, destinations)
  }
}
