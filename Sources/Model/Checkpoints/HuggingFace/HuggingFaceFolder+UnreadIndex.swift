import Glibc

extension HuggingFaceFolder {
  /// An index beside `model.safetensors`, and the files it names.
  ///
  /// `model.safetensors` goes first where both are there, as in transformers: the index may have been left behind when
  /// shards were merged, or the file by another model.
  struct UnreadIndex: Equatable {
    /// The files that are not read.
    let shards: [String]
    /// Those of them that are not there.
    let missing: [String]
  }

  /// The index that was not read and names other files than the one that was; nil where there is none, or none that
  /// can be read.
  func unreadIndex() -> UnreadIndex? {
    guard index == nil else { return nil }
    let limits = CheckpointLimits()
    guard
      let bytes = try? FolderDocuments(path: path).document(ShardIndex.fileName, limit: limits.indexByteCount),
      let index = try? ShardIndex(bytes, path: path + "/" + ShardIndex.fileName, limits: limits)
    else { return nil }
    let shards = index.shards.filter { $0 != Self.singleFile }
    let missing = shards.filter { shard in
      var status = stat()
      return stat(path + "/" + shard, &status) != 0
    }
    return shards.isEmpty ? nil : UnreadIndex(shards: shards, missing: missing)
  }

  package var remark: String? {
    unreadIndex().map { index in
      let missing = index.missing.isEmpty ? "" : " (missing: \(index.missing.count))"
      return
        """
        there are both \(Self.singleFile) and \(ShardIndex.fileName): the first was read, and not the other files \
        that the index names, \(index.shards.count) in number\(missing)
        """
    }
  }
}
