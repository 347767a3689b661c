import Glibc
import JSON

extension HuggingFaceFolder {
  /// Opens `model.safetensors`, or else every shard the index names that is there, and adds them to the fingerprint's
  /// parts.
  ///
  /// A shard that is missing may hold nothing that is read: whoever asks for one of its tensors is told.
  static func openFiles(
    in folder: String, limits: CheckpointLimits, parts: inout [(file: String, digest: [UInt8])]
  ) throws(CheckpointError) -> (files: [SafetensorsFile], index: ShardIndex?) {
    do throws(CheckpointError) {
      let file = try SafetensorsFile(path: folder + "/" + singleFile, fileIndex: 0, limits: limits)
      parts.append((singleFile, file.headerDigest))
      return ([file], nil)
    } catch {
      guard case .system("open", _, ENOENT) = error else { throw error }
    }
    guard let bytes = try FolderDocuments(path: folder).document(ShardIndex.fileName, limit: limits.indexByteCount)
    else {
      throw explainMissingWeights(in: folder)
    }
    parts.append((ShardIndex.fileName, SHA256.digest(bytes)))
    let indexPath = folder + "/" + ShardIndex.fileName
    let index = try ShardIndex(bytes, path: indexPath, limits: limits)
    var files: [SafetensorsFile] = []
    files.reserveCapacity(index.shards.count)
    var tensorCount = 0
    for shard in index.shards {
      do throws(CheckpointError) {
        files.append(try SafetensorsFile(path: folder + "/" + shard, fileIndex: files.count, limits: limits))
      } catch {
        guard case .system("open", _, ENOENT) = error else { throw error }
        parts.append((shard, Array(repeating: 0, count: 32)))
        continue
      }
      parts.append((shard, files[files.count - 1].headerDigest))
      // Counted at once, so that shards cannot add up without bound.
      tensorCount += files[files.count - 1].entries.count
      guard tensorCount <= limits.tensorCount else {
        throw .tooMany(path: indexPath, what: "tensors", limit: limits.tensorCount)
      }
    }
    guard !files.isEmpty else {
      throw .missingShard(folder: folder, shard: index.shards[0], tensor: index.exampleTensors[0])
    }
    return (files, index)
  }

  /// Every tensor once, and its file and place, whatever the index says: indexes of published folders list tensors that
  /// no shard has and leave out some that one has. A tensor that two shards hold must have the same bytes in both.
  static func locate(
    in files: [SafetensorsFile]
  ) throws(CheckpointError) -> (entries: [TensorEntry], places: [ExactString: Place]) {
    var entries: [TensorEntry] = []
    var places: [ExactString: Place] = [:]
    for (position, file) in files.enumerated() {
      for entry in file.entries {
        guard let first = places[ExactString(entry.name)] else {
          places[ExactString(entry.name)] = Place(file: position, position: entries.count)
          entries.append(entry)
          continue
        }
        let other = entries[first.position]
        guard try files[first.file].compareBytes(other, entry, in: file) else {
          throw .tensorsDiffer(name: entry.name, first: files[first.file].path, second: file.path)
        }
      }
    }
    return (entries, places)
  }

  /// Where a tensor is found.
  struct Place: Sendable {
    let file: Int
    /// In `entries`.
    let position: Int
  }

  /// Why a folder has neither `model.safetensors` nor an index, as far as its file names tell.
  static func explainMissingWeights(in folder: String) -> CheckpointError {
    for name in [singleFile, ShardIndex.fileName] {
      var status = stat()
      if lstat(folder + "/" + name, &status) == 0 { return .brokenLink(path: folder + "/" + name) }
    }
    guard let names = OutputFolder.files(in: folder) else {
      return .system(operation: "list", path: folder, code: errno)
    }
    if names.contains("adapter_model.safetensors") || names.contains("adapter_config.json") {
      let found = names.contains("adapter_model.safetensors") ? "adapter_model.safetensors" : "adapter_config.json"
      return .otherWeights(
        folder: folder, found: found,
        what: "an adapter (LoRA) of another model; "
          + "merge it into its base model (PEFT's merge_and_unload) and give that folder")
    }
    let original = names.first {
      let words = $0.split { $0 == "." || $0 == "-" }
      return words.first == "consolidated" && words.contains("safetensors")
    }
    if let found = original {
      return .otherWeights(
        folder: folder, found: found,
        what: "Mistral's own format with other names; "
          + "download the model in the Hugging Face format (model-….safetensors)")
    }
    if let shard = names.first(where: { $0.hasSuffix(".safetensors") }) {
      return .missingIndex(folder: folder, shard: shard)
    }
    let others = [".bin", ".pt", ".pth", ".h5", ".msgpack", ".npz", ".bin.index.json"]
    return .noWeights(folder: folder, found: names.first { name in others.contains { name.hasSuffix($0) } })
  }
}
