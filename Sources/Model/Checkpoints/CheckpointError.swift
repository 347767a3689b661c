import JSON

/// Why a checkpoint cannot be opened, read or written; every case names the file, most the tensor and byte.
package enum CheckpointError: Error, Equatable {
  // Folders and files.
  case notAFolder(path: String)
  case missingFile(folder: String, name: String)
  case noWeights(folder: String, found: String?)
  case otherWeights(folder: String, found: String, what: String)
  case notInHubCache(name: String, folder: String)
  case severalModels(folder: String, models: [String])
  case noSnapshot(folder: String, count: Int)
  case missingIndex(folder: String, shard: String)
  case missingShard(folder: String, shard: String, tensor: String)
  case system(operation: String, path: String, code: Int32)
  case notARegularFile(path: String)
  case brokenLink(path: String)
  case gitLFSPointer(path: String)
  case tooLarge(path: String, byteCount: Int, limit: Int)
  case endedEarly(path: String, byte: Int, byteCount: Int)
  case changedSinceOpened(path: String)

  // What a header, an index or a configuration says; `byte` is the position in the file.
  case syntax(path: String, byte: Int, found: String, expected: String)
  case json(path: String, byte: Int, JSONError)
  case tooMany(path: String, what: String, limit: Int)
  case headerTooLong(path: String, byteCount: UInt64, limit: Int)
  case headerPastEnd(path: String, headerByteCount: Int, fileByteCount: Int)
  case duplicateName(path: String, byte: Int, name: String)
  case tensor(path: String, byte: Int, name: String, TensorProblem)
  case gap(path: String, name: String, begin: Int, expected: Int)
  case overlap(path: String, name: String, begin: Int, expected: Int)
  case wrongFileSize(path: String, expected: Int, found: Int)

  // The index against the shards.
  case noWeightMap(path: String)
  case shardName(path: String, byte: Int, shard: String)
  case indexNotRead(folder: String, tensor: String, shardCount: Int, missing: [String])
  case tensorNotInShard(path: String, name: String, shard: String)
  case tensorsDiffer(name: String, first: String, second: String)

  // A GGUF file; `byte` is the position in the file, where there is one.
  case gguf(path: String, byte: Int?, GGUFProblem)

  // Reading tensors.
  case rangeOutsideTensor(path: String, name: String, range: Range<Int>, byteCount: Int)
  case bufferTooSmall(name: String, byteCount: Int, needed: Int)
  case tooLargeToReadWhole(path: String, name: String, byteCount: Int, limit: Int)
  case notConvertible(path: String, name: String, type: String, to: String)
  case notFinite(path: String, name: String, element: Int, byte: Int)

  // Sums.
  case notSums(path: String)
  case badSum(path: String, name: String)
  case otherSum(path: String, name: String, found: String, recorded: String)

  // Settings.
  case setting(path: String, key: String, SettingProblem)

  // Writing.
  case outputExists(path: String)
  case noSpace(path: String, needed: Int, available: Int)
  case writing(path: String, name: String, WritingProblem)

  /// What is wrong with one tensor's entry in a header.
  package enum TensorProblem: Equatable, Sendable {
    case emptyName
    case nameTooLong(byteCount: Int, limit: Int)
    case missingField(String)
    case repeatedField(String)
    case unknownField(String)
    case unknownType(String)
    case tooManyDimensions(limit: Int)
    case dimensionTooLarge(Int, limit: Int)
    case sizeOverflows
    case offsetsReversed(begin: Int, end: Int)
    case pastEnd(end: Int, dataByteCount: Int)
    case sizeMismatch(shapeByteCount: Int, offsetsByteCount: Int)
  }

  /// What is wrong with one setting of a configuration file.
  package enum SettingProblem: Equatable, Sendable {
    case missing
    case wrongKind(expected: String, found: String)
    case notAnExactInteger(String)
    case outOfRange(found: String, lower: String, upper: String)
    case notOneOf(found: String, allowed: [String])
    case tooManyElements(limit: Int)
    case disagrees(with: String)
  }

  /// What is wrong with one tensor handed to a writer.
  package enum WritingProblem: Equatable, Sendable {
    case undeclared
    case declaredTwice
    case badShape
    case tooManyBytes(declared: Int)
    case unfinished(written: Int, declared: Int)
    case alreadyFinished
  }
}
