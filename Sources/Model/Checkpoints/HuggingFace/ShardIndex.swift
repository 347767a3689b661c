import JSON

/// `model.safetensors.index.json`: which shard holds which tensor.
struct ShardIndex: Sendable {
  static let fileName = "model.safetensors.index.json"

  /// Shard file names, in order of first mention.
  private(set) var shards: [String] = []
  /// Tensor name → position in `shards`.
  private(set) var shardOfTensor: [ExactString: Int] = [:]
  /// The first tensor named for each shard, for messages.
  private(set) var exampleTensors: [String] = []
  /// `metadata.total_size`, as declared; published folders often have it wrong, so it is only ever shown.
  private(set) var declaredByteCount: Int?

  init(_ bytes: [UInt8], path: String, limits: CheckpointLimits) throws(CheckpointError) {
    var scanner = TableScanner(bytes, path: path)
    var seen: Set<ExactString> = []
    scanner.skipWhitespace()
    try scanner.object { (scanner, key, position) throws(CheckpointError) in
      guard seen.count < 64 else { throw .tooMany(path: path, what: "members", limit: 64) }
      guard seen.insert(ExactString(key)).inserted else { throw .duplicateName(path: path, byte: position, name: key) }
      if key == "weight_map" {
        try self.readWeightMap(from: &scanner, limits: limits)
      } else {
        let value = try scanner.value(limit: limits.metadataByteCount)
        if key == "metadata", let size = value["total_size"]?.exactInt, size >= 0 { self.declaredByteCount = size }
      }
    }
    scanner.skipWhitespace()
    guard scanner.next == nil else { throw scanner.unexpected("the end of the index") }
    guard !shardOfTensor.isEmpty else { throw .noWeightMap(path: path) }
  }

  private mutating func readWeightMap(
    from scanner: inout TableScanner, limits: CheckpointLimits
  ) throws(CheckpointError) {
    var shards: [String] = []
    var examples: [String] = []
    var shardOfTensor: [ExactString: Int] = [:]
    var positions: [ExactString: Int] = [:]
    let path = scanner.path
    try scanner.object { (scanner, name, namePosition) throws(CheckpointError) in
      guard shardOfTensor.count < limits.tensorCount else {
        throw .tooMany(path: path, what: "tensors", limit: limits.tensorCount)
      }
      let position = scanner.position
      let shard = try scanner.string("a shard's file name")
      let shardIndex: Int
      if let known = positions[ExactString(shard)] {
        shardIndex = known
      } else {
        guard Self.isPlainFileName(shard) else { throw .shardName(path: path, byte: position, shard: shard) }
        guard shards.count < limits.shardCount else {
          throw .tooMany(path: path, what: "shards", limit: limits.shardCount)
        }
        shardIndex = shards.count
        positions[ExactString(shard)] = shardIndex
        shards.append(shard)
        examples.append(name)
      }
      guard shardOfTensor.updateValue(shardIndex, forKey: ExactString(name)) == nil else {
        throw .duplicateName(path: path, byte: namePosition, name: name)
      }
    }
    self.shards = shards
    exampleTensors = examples
    self.shardOfTensor = shardOfTensor
  }

  /// Whether `name` can only mean a safetensors file in the index's own folder.
  static func isPlainFileName(_ name: String) -> Bool {
    name.utf8.count <= 255 && name.utf8.count > ".safetensors".utf8.count && name.hasSuffix(".safetensors")
      && name.utf8.first != UInt8(ascii: ".")
      && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") }
  }
}
