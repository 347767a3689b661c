import JSON
import Tensors

/// The tensor table at the start of a safetensors file.
///
/// Layout: 8 bytes, the header's length as a little-endian integer; the header, a JSON object of name →
/// `{dtype, shape, data_offsets}` that begins with `{` and may end in spaces; the data, every byte of which
/// belongs to exactly one tensor.
///
/// Stricter than the reference implementation, because two readers of one file must not disagree about it:
/// refused are a name given twice, anything before `{`, anything but spaces after `}`, an entry that is not an object
/// or has fields of its own, an empty name, more than 8 dimensions, and a dimension above the limit even beside a zero.
struct SafetensorsHeader: Sendable {
  /// In the order of their data.
  let entries: [TensorEntry]
  /// Name → position in `entries`.
  let positions: [ExactString: Int]
  /// `__metadata__`, strings only.
  let metadata: JSONObject

  /// Parses the header `bytes` of a file with `dataByteCount` bytes after it.
  init(
    _ bytes: [UInt8], path: String, fileIndex: Int, dataByteCount: Int, limits: CheckpointLimits
  ) throws(CheckpointError) {
    var scanner = TableScanner(bytes, path: path, base: 8)
    var entries: [TensorEntry] = []
    var orders: [ExactString: Int] = [:]
    var metadata: JSONObject?
    let reader = EntryReader(
      path: path, fileIndex: fileIndex, dataStart: 8 + bytes.count, dataByteCount: dataByteCount, limits: limits)
    try scanner.object { (scanner, name, position) throws(CheckpointError) in
      guard name != "__metadata__" else {
        guard metadata == nil else { throw .duplicateName(path: path, byte: position, name: name) }
        metadata = try Self.metadata(from: &scanner, limits: limits)
        return
      }
      guard entries.count < limits.tensorCount else {
        throw .tooMany(path: path, what: "tensors", limit: limits.tensorCount)
      }
      guard orders.updateValue(entries.count, forKey: ExactString(name)) == nil else {
        throw .duplicateName(path: path, byte: position, name: name)
      }
      entries.append(try reader.entry(name, at: position, from: &scanner))
    }
    scanner.skipSpaces()
    guard scanner.next == nil else { throw scanner.unexpected("the end of the header") }

    let byOffset = entries.indices.sorted {
      (entries[$0].byteOffset, entries[$0].byteCount) < (entries[$1].byteOffset, entries[$1].byteCount)
    }
    var positionOfOrder = [Int](repeating: 0, count: entries.count)
    for (position, order) in byOffset.enumerated() { positionOfOrder[order] = position }
    self.entries = byOffset.map { entries[$0] }
    positions = orders.mapValues { positionOfOrder[$0] }
    self.metadata = metadata ?? JSONObject()
    try checkLayout(path: path, dataStart: 8 + bytes.count, dataByteCount: dataByteCount)
  }

  /// Throws unless the tensors follow each other from the data's first byte to the file's last.
  private func checkLayout(path: String, dataStart: Int, dataByteCount: Int) throws(CheckpointError) {
    var end = 0
    for entry in entries {
      let begin = entry.byteOffset - dataStart
      guard begin <= end else { throw .gap(path: path, name: entry.name, begin: begin, expected: end) }
      guard begin >= end else { throw .overlap(path: path, name: entry.name, begin: begin, expected: end) }
      end = begin + entry.byteCount
    }
    guard end == dataByteCount else {
      throw .wrongFileSize(path: path, expected: dataStart + end, found: dataStart + dataByteCount)
    }
  }

  private static func metadata(
    from scanner: inout TableScanner, limits: CheckpointLimits
  ) throws(CheckpointError) -> JSONObject {
    let position = scanner.position
    let value = try scanner.value(limit: limits.metadataByteCount)
    if value.isNull { return JSONObject() }
    guard let object = value.object, object.values.allSatisfy({ $0.string != nil }) else {
      throw .syntax(
        path: scanner.path, byte: position, found: "other metadata", expected: "an object of strings, or null")
    }
    return object
  }
}

/// Reads one tensor's `{dtype, shape, data_offsets}`, checking each number before it is used.
private struct EntryReader {
  let path: String
  let fileIndex: Int
  let dataStart: Int
  let dataByteCount: Int
  let limits: CheckpointLimits

  func entry(
    _ name: String, at position: Int, from scanner: inout TableScanner
  ) throws(CheckpointError) -> TensorEntry {
    func problem(_ problem: CheckpointError.TensorProblem) -> CheckpointError {
      .tensor(path: path, byte: position, name: name, problem)
    }
    guard !name.isEmpty else { throw problem(.emptyName) }
    guard name.utf8.count <= limits.nameByteCount else {
      throw problem(.nameTooLong(byteCount: name.utf8.count, limit: limits.nameByteCount))
    }
    var type: ElementType?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { (scanner, field, _) throws(CheckpointError) in
      switch field {
      case "dtype":
        guard type == nil else { throw problem(.repeatedField(field)) }
        let text = try scanner.string("an element type")
        guard let known = ElementType(safetensors: text) else { throw problem(.unknownType(text)) }
        type = known
      case "shape":
        guard shape == nil else { throw problem(.repeatedField(field)) }
        guard let counts = try scanner.counts(limit: limits.rank) else {
          throw problem(.tooManyDimensions(limit: limits.rank))
        }
        shape = counts
      case "data_offsets":
        guard offsets == nil else { throw problem(.repeatedField(field)) }
        guard let counts = try scanner.counts(limit: 2), counts.count == 2 else {
          throw scanner.unexpected("two offsets")
        }
        offsets = counts
      default: throw problem(.unknownField(field))
      }
    }
    guard let type else { throw problem(.missingField("dtype")) }
    guard let shape else { throw problem(.missingField("shape")) }
    guard let offsets else { throw problem(.missingField("data_offsets")) }
    let (begin, end) = (offsets[0], offsets[1])
    guard begin <= end else { throw problem(.offsetsReversed(begin: begin, end: end)) }
    guard end <= dataByteCount else { throw problem(.pastEnd(end: end, dataByteCount: dataByteCount)) }
    if let dimension = shape.first(where: { $0 > limits.dimension }) {
      throw problem(.dimensionTooLarge(dimension, limit: limits.dimension))
    }
    guard let byteCount = TensorEntry.byteCount(of: shape, type) else { throw problem(.sizeOverflows) }
    guard byteCount == end - begin else {
      throw problem(.sizeMismatch(shapeByteCount: byteCount, offsetsByteCount: end - begin))
    }
    return TensorEntry(
      name: name, type: type, shape: shape, fileIndex: fileIndex, byteOffset: dataStart + begin, byteCount: byteCount)
  }
}
