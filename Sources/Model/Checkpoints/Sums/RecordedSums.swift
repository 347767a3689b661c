import Bytes
import JSON

/// `model.sums.json`: the sums of a folder's tensors as they were when somebody recorded them.
///
/// `{"format": "martinet sums", "version": 1, "tensors": {"model.norm.weight": "0123456789abcdef", …}}`.
package struct RecordedSums: Sendable, Equatable {
  package static let fileName = "model.sums.json"
  private static let format = "martinet sums"
  private static let version = 1

  private var sums: [ExactString: UInt64] = [:]

  package init() {}

  package var count: Int { sums.count }

  package subscript(name: String) -> UInt64? {
    get { sums[ExactString(name)] }
    set { sums[ExactString(name)] = newValue }
  }

  /// Those recorded beside a model; nil where there are none.
  package init?(of model: some ModelDocuments, limits: CheckpointLimits = CheckpointLimits()) throws(CheckpointError) {
    guard let bytes = try model.document(Self.fileName, limit: limits.indexByteCount) else { return nil }
    try self.init(bytes, path: model.placeOfDocument(Self.fileName), limits: limits)
  }

  init(_ bytes: [UInt8], path: String, limits: CheckpointLimits) throws(CheckpointError) {
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue(parsing: bytes, limits: JSONLimits(byteCount: limits.indexByteCount))
    } catch { throw .json(path: path, byte: 0, error) }
    guard value["format"]?.string == Self.format, value["version"]?.exactInt == Self.version,
      let tensors = value["tensors"]?.object
    else { throw .notSums(path: path) }
    guard tensors.count <= limits.tensorCount else {
      throw .tooMany(path: path, what: "tensors", limit: limits.tensorCount)
    }
    for (name, value) in tensors.members {
      guard let text = value.string, text.utf8.count == 16, text.utf8.allSatisfy(Self.isDigit),
        let sum = UInt64(text, radix: 16)
      else { throw .badSum(path: path, name: name) }
      sums[ExactString(name)] = sum
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }

  /// The file's content, tensors in the order of their names.
  package var json: JSONValue {
    let members = sums.map { ($0.key.string, $0.value) }.sorted { $0.0 < $1.0 }
    return [
      "format": .string(Self.format), "version": .int(Self.version),
      "tensors": .object(JSONObject(members.map { ($0.0, .string(Digits.hexadecimal($0.1))) })),
    ]
  }

  /// Throws when all of a tensor was read and its sum is not the one recorded.
  package func check(_ sum: TensorSum, of entry: TensorEntry, in checkpoint: any Checkpoint) throws(CheckpointError) {
    guard sum.byteCount == entry.byteCount, let recorded = self[entry.name], recorded != sum.value else { return }
    throw .otherSum(
      path: checkpoint.file(of: entry), name: entry.name, found: sum.text, recorded: Digits.hexadecimal(recorded))
  }

  /// Checks each tensor that was read whole; `sums` by place in the checkpoint's `entries`.
  package func check(_ sums: [TensorSum], in checkpoint: any Checkpoint) throws(CheckpointError) {
    for (entry, sum) in zip(checkpoint.entries, sums) { try check(sum, of: entry, in: checkpoint) }
  }
}
