import Glibc
import JSON

extension CheckpointFolder {
  /// The bytes of `folder/name`; nil when there is no such file.
  static func contents(of name: String, in folder: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    do throws(CheckpointError) { return try InputFile(path: folder + "/" + name).contents(limit: limit) } catch {
      if case .system("open", _, ENOENT) = error { return nil }
      throw error
    }
  }

  /// Opens `model.safetensors`, or else every shard the index names, and adds them to the fingerprint's parts.
  static func openFiles(
    in folder: String, limits: CheckpointLimits, parts: inout [(file: String, digest: [UInt8])]
  ) throws(CheckpointError) -> (files: [SafetensorsFile], index: ShardIndex?) {
    do throws(CheckpointError) {
      let file = try SafetensorsFile(path: folder + "/model.safetensors", fileIndex: 0, limits: limits)
      parts.append(("model.safetensors", file.headerDigest))
      return ([file], nil)
    } catch {
      guard case .system("open", _, ENOENT) = error else { throw error }
    }
    guard let bytes = try contents(of: ShardIndex.fileName, in: folder, limit: limits.indexByteCount) else {
      throw explainMissingWeights(in: folder)
    }
    parts.append((ShardIndex.fileName, SHA256.digest(bytes)))
    let indexPath = folder + "/" + ShardIndex.fileName
    let index = try ShardIndex(bytes, path: indexPath, limits: limits)
    var files: [SafetensorsFile] = []
    files.reserveCapacity(index.shards.count)
    var tensorCount = 0
    for (position, shard) in index.shards.enumerated() {
      do throws(CheckpointError) {
        files.append(try SafetensorsFile(path: folder + "/" + shard, fileIndex: position, limits: limits))
      } catch {
        guard case .system("open", _, ENOENT) = error else { throw error }
        throw .missingShard(folder: folder, shard: shard, tensor: index.exampleTensors[position])
      }
      tensorCount += files[position].entries.count
      // Each shard's entries are checked against the index at once, so that shards cannot add up without bound.
      try check(files[position], position, against: index, path: indexPath)
      parts.append((shard, files[position].headerDigest))
    }
    // Every shard's tensors are indexed and in their place; only an index with more than that can be left.
    guard tensorCount == index.shardOfTensor.count else {
      for (name, position) in index.shardOfTensor where files[position].tensor(name.string) == nil {
        throw .tensorNotInShard(path: indexPath, name: name.string, shard: index.shards[position])
      }
      throw .noWeightMap(path: indexPath)
    }
    return (files, index)
  }

  private static func check(
    _ file: SafetensorsFile, _ position: Int, against index: ShardIndex, path: String
  ) throws(CheckpointError) {
    for entry in file.entries {
      guard let indexed = index.shardOfTensor[ExactString(entry.name)] else {
        throw .tensorNotIndexed(path: path, name: entry.name, shard: index.shards[position])
      }
      guard indexed == position else {
        throw .tensorInOtherShard(
          path: path, name: entry.name, indexed: index.shards[indexed], found: index.shards[position])
      }
    }
  }

  /// Why a folder has neither `model.safetensors` nor an index, as far as its file names tell.
  private static func explainMissingWeights(in folder: String) -> CheckpointError {
    for name in ["model.safetensors", ShardIndex.fileName] {
      var status = stat()
      if lstat(folder + "/" + name, &status) == 0 { return .brokenLink(path: folder + "/" + name) }
    }
    guard let directory = opendir(folder) else { return .system(operation: "list", path: folder, code: errno) }
    defer { closedir(directory) }
    var shard: String?
    var other: String?
    var count = 0
    while count < 100_000, let item = readdir(directory) {
      count += 1
      let name = withUnsafeBytes(of: &item.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.hasSuffix(".safetensors") {
        if shard.map({ name < $0 }) ?? true { shard = name }
      } else if [".bin", ".pt", ".pth", ".gguf"].contains(where: { name.hasSuffix($0) }) {
        if other.map({ name < $0 }) ?? true { other = name }
      }
    }
    if let shard { return .missingIndex(folder: folder, shard: shard) }
    return .noWeights(folder: folder, found: other)
  }
}
