import Glibc
import JSON

/// A model's folder as published on Hugging Face: `config.json` and `model.safetensors`, or shards and their index.
///
/// Opening reads headers only and checks all of them. Shard names must be plain file names; the files themselves
/// may be symbolic links to regular files anywhere, because the hub's own cache lays folders out that way
/// (`snapshots/<revision>/model.safetensors` → `../../blobs/<hash>`) and clusters link shards to
/// scratch disks. What a link leads to is read only if it passes every check of a safetensors header.
package final class HuggingFaceFolder: Checkpoint {
  package let path: String
  /// The file of a model that is in one.
  static let singleFile = "model.safetensors"
  /// `config.json`.
  package let config: JSONValue
  /// `generation_config.json`, when there is one.
  package let generationConfig: JSONValue?
  /// The weights' files; `TensorEntry.fileIndex` counts in here.
  package let files: [SafetensorsFile]
  /// The index's `total_size`, which is often wrong: for show only.
  package let declaredByteCount: Int?
  /// Of configuration, index, and every header with its file's size, by file name.
  package let fingerprintParts: [(file: String, digest: [UInt8])]
  /// Every tensor once, file after file, each in the order of its data.
  package let entries: [TensorEntry]
  /// Nil when all tensors are in `model.safetensors`.
  let index: ShardIndex?
  /// Where each tensor is; empty when there is one file.
  private let places: [ExactString: Place]

  package init(path: String, limits: CheckpointLimits = CheckpointLimits()) throws(CheckpointError) {
    var status = stat()
    guard !path.utf8.contains(0), stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw .notAFolder(path: path)
    }
    self.path = path
    var parts: [(file: String, digest: [UInt8])] = []
    func document(_ name: String) throws(CheckpointError) -> JSONValue? {
      guard let bytes = try FolderDocuments(path: path).document(name, limit: limits.configByteCount) else {
        parts.append((name, Array(repeating: 0, count: 32)))
        return nil
      }
      parts.append((name, SHA256.digest(bytes)))
      // Python's writer puts NaN and infinities into such files.
      do throws(JSONError) { return try JSONValue(parsing: bytes, limits: JSONLimits(allowsNonFinite: true)) } catch {
        throw .json(path: path + "/" + name, byte: 0, error)
      }
    }
    guard let config = try document("config.json") else {
      // Adapters and other formats are published without one.
      let absence = Self.explainMissingWeights(in: path)
      if case .otherWeights = absence { throw absence }
      throw .missingFile(folder: path, name: "config.json")
    }
    self.config = config
    generationConfig = try document("generation_config.json")

    let opened = try Self.openFiles(in: path, limits: limits, parts: &parts)
    files = opened.files
    declaredByteCount = opened.index?.declaredByteCount
    fingerprintParts = parts

    index = opened.index
    (entries, places) = opened.files.count > 1 ? try Self.locate(in: opened.files) : (opened.files[0].entries, [:])
  }

  package var fileCount: Int { files.count }

  package var identity: UInt64 { InputFile.identity(of: files.map(\.identity)) }

  package func file(of entry: TensorEntry) -> String { files[entry.fileIndex].path }

  package func document(_ name: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    try FolderDocuments(path: path).document(name, limit: limit)
  }

  /// The tensor whose name has the same bytes as `name`.
  package func tensor(_ name: String) -> TensorEntry? {
    guard files.count > 1 else { return files[0].tensor(name) }
    return places[ExactString(name)].map { entries[$0.position] }
  }

  /// Why there is no tensor of this name although the index lists it; nil where it does not. Where `model.safetensors`
  /// was read, an index beside it is why.
  package func absence(of name: String) -> CheckpointError? {
    guard tensor(name) == nil else { return nil }
    guard let index else {
      return unreadIndex().map {
        .indexNotRead(folder: path, tensor: name, shardCount: $0.shards.count, missing: $0.missing)
      }
    }
    guard let position = index.shardOfTensor[ExactString(name)] else { return nil }
    let shard = index.shards[position]
    guard files.contains(where: { $0.path == path + "/" + shard }) else {
      return .missingShard(folder: path, shard: shard, tensor: name)
    }
    return .tensorNotInShard(path: path + "/" + ShardIndex.fileName, name: name, shard: shard)
  }

  /// The place in `entries` of one of them.
  package func position(of entry: TensorEntry) -> Int? {
    files.count > 1 ? places[ExactString(entry.name)]?.position : files[0].position(entry.name)
  }

  /// Bytes of tensor data read so far, by all threads.
  package var bytesRead: Int { files.reduce(0) { $0 + $1.bytesRead } }

  /// Fills the start of `buffer` with `bytes` (counted from the tensor's first) of a tensor; safe from any thread.
  package func read(
    _ entry: TensorEntry, bytes range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    try files[entry.fileIndex].read(entry, bytes: range, into: buffer)
  }

  /// Tells the system that `bytes` of a tensor will be read soon; returns at once, and does nothing where it cannot.
  package func prefetch(_ entry: TensorEntry, bytes range: Range<Int>) {
    files[entry.fileIndex].prefetch(count: range.count, at: entry.byteOffset + range.lowerBound)
  }

  /// Throws when a weights file changed since it was opened; to be called after loading.
  package func checkUnchanged() throws(CheckpointError) {
    for file in files { try file.checkUnchanged() }
  }
}
