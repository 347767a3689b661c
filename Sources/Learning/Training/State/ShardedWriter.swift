import Checkpoints
import JSON
import Tensors

/// Writes tensors into files of bounded size, each opened with its first bytes and closed with its last.
final class ShardedWriter {
  /// A shard ends before the tensor that would carry it past this.
  static let shardByteCount = 4_000_000_000

  private struct Shard {
    let fileName: String
    let tensors: [SafetensorsWriter.Declaration]
    var remaining: Int
    var writer: SafetensorsWriter?
  }

  private let output: OutputFolder
  private let beforeFile: (String) throws -> Void
  private var shards: [Shard] = []
  private var shardOfTensor: [ExactString: Int] = [:]
  private(set) var sums = RecordedSums()

  /// `stem`: what files are called, before their number. `beforeFile` is called before each file gets its name.
  init(
    _ output: OutputFolder, stem: String, tensors: [SafetensorsWriter.Declaration],
    shardByteCount: Int = shardByteCount, beforeFile: @escaping (String) throws -> Void
  ) {
    self.output = output
    self.beforeFile = beforeFile
    var lists: [[SafetensorsWriter.Declaration]] = []
    var size = 0
    for tensor in tensors {
      let bytes = Self.byteCount(tensor)
      if lists.isEmpty || size > 0 && size + bytes > shardByteCount {
        lists.append([])
        size = 0
      }
      lists[lists.count - 1].append(tensor)
      size += bytes
    }
    for (number, list) in lists.enumerated() {
      for tensor in list { shardOfTensor[ExactString(tensor.name)] = number }
      shards.append(
        Shard(
          fileName: ShardName.text(number, of: lists.count, stem: stem), tensors: list,
          remaining: list.reduce(0) { $0 + Self.byteCount($1) }))
    }
  }

  var fileNames: [String] { shards.map(\.fileName) }

  /// Fills a tensor from byte `offset` on; each byte must be written once.
  func write(_ name: String, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    guard let number = shardOfTensor[ExactString(name)] else {
      throw CheckpointError.writing(path: output.path, name: name, .undeclared)
    }
    let writer: SafetensorsWriter
    if let open = shards[number].writer {
      writer = open
    } else {
      writer = try SafetensorsWriter(
        path: output.file(shards[number].fileName), tensors: shards[number].tensors, metadata: [("format", "pt")])
      shards[number].writer = writer
    }
    try writer.write(name, bytes, at: offset)
    shards[number].remaining -= bytes.count
    guard shards[number].remaining == 0 else { return }
    try beforeFile(shards[number].fileName)
    try writer.finish()
    writer.record(into: &sums)
    shards[number].writer = nil
  }

  /// Throws where a tensor has not been written.
  func finish() throws {
    for shard in shards where shard.remaining > 0 {
      if let writer = shard.writer { try writer.finish() }
      throw CheckpointError.writing(
        path: output.path, name: shard.tensors[0].name,
        .unfinished(written: 0, declared: Self.byteCount(shard.tensors[0])))
    }
  }

  /// `model.safetensors.index.json`; nil where one file holds all.
  var index: JSONValue? {
    guard shards.count > 1 else { return nil }
    let map = shards.flatMap { shard in shard.tensors.map { ($0.name, JSONValue.string(shard.fileName)) } }
    let total = shards.reduce(0) { $0 + $1.tensors.reduce(0) { $0 + Self.byteCount($1) } }
    return ["metadata": ["total_size": .int(total)], "weight_map": .object(JSONObject(map))]
  }

  private static func byteCount(_ tensor: SafetensorsWriter.Declaration) -> Int {
    tensor.shape.reduce(tensor.type.byteCount, *)
  }
}
