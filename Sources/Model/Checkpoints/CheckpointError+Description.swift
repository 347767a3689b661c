import Glibc

extension CheckpointError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .outputExists(let path):
      "\(quoted(path)) is there already and not an empty folder; give another name or remove it"
    case .noSpace(let path, let needed, let available):
      "\(quoted(path)) lies where \(available >> 20) MiB are free, and \(needed >> 20) MiB are needed"
    case .notAFolder(let path):
      "\(quoted(path)) is not a folder; give the folder that holds config.json and the weights, or a GGUF file"
    case .missingFile(let folder, let name):
      "\(quoted(folder)) has no \(name); is this the folder of a published model, fully downloaded?"
    case .noWeights(let folder, let found?):
      "\(quoted(folder)) has no model.safetensors and no index, only \(quoted(found)); "
        + "download the model's safetensors files"
    case .otherWeights(let folder, let found, let what):
      "\(quoted(folder)) has no model.safetensors and no index, only \(quoted(found)), \(what)"
    case .notInHubCache(let name, let folder):
      "\(quoted(name)) is no folder, and the hub's cache \(quoted(folder)) does not have it either; "
        + "download it (`hf download \(name)`), or give the folder that holds config.json and the weights"
    case .severalModels(let folder, let models):
      "\(quoted(folder)) is a cache of the hub with \(models.count) models, such as \(quoted(models.first ?? "")); "
        + "give one of its folders"
    case .noSnapshot(let folder, let count):
      "\(quoted(folder)) is a folder of the hub's cache with "
        + (count == 0
          ? "no snapshot in it; download the model again"
          : "\(count) snapshots and no refs/main; give one of its snapshots")
    case .noWeights(let folder, nil):
      "\(quoted(folder)) has neither model.safetensors nor \(ShardIndex.fileName); download the weights"
    case .missingIndex(let folder, let shard):
      "\(quoted(folder)) has shards such as \(quoted(shard)) but no \(ShardIndex.fileName); "
        + "download the index from where the shards came"
    case .missingShard(let folder, let shard, let tensor):
      "\(quoted(folder)) lacks \(quoted(shard)), which its index names for tensor \(quoted(tensor)); "
        + "download the missing file"
    case .system(let operation, let path, let code):
      "cannot \(operation) \(quoted(path)): \(String(cString: strerror(code)))"
        + (code == EMFILE ? " (raise `ulimit -n`)" : "")
    case .notARegularFile(let path): "\(quoted(path)) is not a regular file"
    case .brokenLink(let path): "\(quoted(path)) is a link to a file that does not exist; download it again"
    case .gitLFSPointer(let path):
      "\(quoted(path)) is a Git LFS pointer, not the file itself; run `git lfs pull` in its folder"
    case .tooLarge(let path, let count, let limit):
      "\(quoted(path)) has \(count) bytes, more than the limit of \(limit)"
    case .endedEarly(let path, let byte, let count):
      "\(quoted(path)) ended at byte \(byte), though it had \(count) bytes when it was opened; "
        + "is it being downloaded or replaced?"
    case .changedSinceOpened(let path):
      "\(quoted(path)) changed while it was being read; start again when it is at rest"
    case .syntax(let path, let byte, let found, let expected):
      "\(quoted(path)) has \(found) at byte \(byte) where \(expected) should be; the file is damaged or not safetensors"
    case .json(let path, let byte, let error): "\(quoted(path)), from byte \(byte): \(error)"
    case .tooMany(let path, let what, let limit): "\(quoted(path)) names more than \(limit) \(what)"
    case .headerTooLong(let path, let count, let limit):
      "\(quoted(path)) declares a header of \(count) bytes, more than the limit of \(limit); "
        + "the file is damaged or not safetensors"
    case .headerPastEnd(let path, let header, let file):
      "\(quoted(path)) has \(file) bytes but needs 8 and \(header) for its header; download it again"
    case .duplicateName(let path, let byte, let name):
      "\(quoted(path)) has \(quoted(name)) twice, again at byte \(byte)"
    case .tensor(let path, let byte, let name, let problem):
      "\(quoted(path)), byte \(byte): tensor \(quoted(name)) \(problem.text)"
    case .gap(let path, let name, let begin, let expected):
      "\(quoted(path)): tensor \(quoted(name)) begins at data byte \(begin), leaving a hole from \(expected)"
    case .overlap(let path, let name, let begin, let expected):
      "\(quoted(path)): tensor \(quoted(name)) begins at data byte \(begin), "
        + "inside the tensor before it, which ends at \(expected)"
    case .wrongFileSize(let path, let expected, let found):
      "\(quoted(path)) has \(found) bytes but its header accounts for \(expected); "
        + (found < expected ? "the download is incomplete: get it again" : "the file is damaged: get it again")
    case .noWeightMap(let path): "\(quoted(path)) has no \"weight_map\" with tensors in it; download the index again"
    case .shardName(let path, let byte, let shard):
      "\(quoted(path)), byte \(byte): \(quoted(shard)) is not a plain file name; shards must lie in the index's folder"
    case .indexNotRead(let folder, let tensor, let shardCount, let missing):
      """
      \(quoted(folder)) has both model.safetensors and \(ShardIndex.fileName), which names other files \
      (\(shardCount)); the first was read, but has no tensor \(quoted(tensor)), which config.json calls for
      """
        + (missing.isEmpty
          ? "; move it away to have the files of the index read"
          : """
          ; if the index is right, move it away and download what is missing (\(missing.count), such as \
          \(quoted(missing[0]))); if it is the model itself, correct config.json
          """)
    case .tensorNotInShard(let path, let name, let shard):
      "\(quoted(path)) puts tensor \(quoted(name)) in \(quoted(shard)), which does not have it; "
        + "the index and the shards are of different versions"
    case .tensorsDiffer(let name, let first, let second):
      "tensor \(quoted(name)) is in \(quoted(first)) and, with other values, in \(quoted(second)); "
        + "these files do not belong together"
    case .gguf(let path, let byte, let problem):
      quoted(path) + (byte.map { ", byte \($0)" } ?? "") + ": \(problem.text)"
    case .rangeOutsideTensor(let path, let name, let range, let count):
      "\(quoted(path)): bytes \(range.lowerBound) ..< \(range.upperBound) asked of tensor \(quoted(name)), "
        + "which has \(count)"
    case .bufferTooSmall(let name, let count, let needed):
      "a buffer of \(count) bytes cannot take \(needed) bytes of tensor \(quoted(name))"
    case .tooLargeToReadWhole(let path, let name, let count, let limit):
      "\(quoted(path)): tensor \(quoted(name)) has \(count) bytes, too many to read at once (limit \(limit))"
    case .notConvertible(let path, let name, let type, let target):
      "\(quoted(path)): tensor \(quoted(name)) is stored as \(type), which is not read as \(target)"
    case .notFinite(let path, let name, let element, let byte):
      "\(quoted(path)), byte \(byte): element \(element) of tensor \(quoted(name)) is not finite; "
        + "the weights are damaged"
    case .setting(let path, let key, let problem): "\(quoted(path)): \(quoted(key)) \(problem.text)"
    case .notSums(let path):
      "\(quoted(path)) is not a table of sums of this version; delete it, or record sums again with `martinet checksum`"
    case .badSum(let path, let name):
      """
      \(quoted(path)): the sum of \(quoted(name)) is not sixteen hexadecimal digits; record sums again with \
      `martinet checksum`
      """
    case .otherSum(let path, let name, let found, let recorded):
      """
      \(quoted(path)): tensor \(quoted(name)) has the sum \(found), and \(recorded) was recorded: its bytes are \
      damaged or of another checkpoint; copy the file again, or record sums anew where the change was meant
      """
    case .writing(let path, let name, let problem):
      "cannot write tensor \(quoted(name)) to \(quoted(path)): \(problem.text)"
    }
  }
}

extension CheckpointError.TensorProblem {
  var text: String {
    switch self {
    case .emptyName: "has an empty name"
    case .nameTooLong(let count, let limit): "has a name of \(count) bytes, more than \(limit)"
    case .missingField(let field): "lacks \"\(field)\""
    case .repeatedField(let field): "has \"\(field)\" twice"
    case .unknownField(let field): "has a field \(quoted(field)), which safetensors does not define"
    case .unknownType(let type): "is stored as \(quoted(type)), an element type not supported here"
    case .tooManyDimensions(let limit): "has more than \(limit) dimensions"
    case .dimensionTooLarge(let dimension, let limit): "has a dimension of \(dimension), more than \(limit)"
    case .sizeOverflows: "has a shape whose size overflows, or is no whole number of bytes"
    case .offsetsReversed(let begin, let end): "ends at data byte \(end), before it begins at \(begin)"
    case .pastEnd(let end, let count): "ends at data byte \(end), past the file's \(count) bytes of data"
    case .sizeMismatch(let shape, let offsets):
      "has a shape of \(shape) bytes but offsets that span \(offsets)"
    }
  }
}

extension CheckpointError.SettingProblem {
  var text: String {
    switch self {
    case .missing: "is missing"
    case .wrongKind(let expected, let found): "is \(found) where \(expected) should be"
    case .notAnExactInteger(let text): "is \(quoted(text)) where an integer, written plainly, should be"
    case .outOfRange(let found, let lower, let upper):
      "is \(quoted(found)), outside \(lower) ... \(upper), the range supported"
    case .notOneOf(let found, let allowed):
      "is \(quoted(found)); supported: \(allowed.map { "\"\($0)\"" }.joined(separator: ", "))"
    case .tooManyElements(let limit): "has more than \(limit) elements"
    case .disagrees(let key): "and \(quoted(key)) mean the same but differ"
    }
  }
}

extension CheckpointError.WritingProblem {
  var text: String {
    switch self {
    case .undeclared: "it was not declared"
    case .declaredTwice: "it is declared twice"
    case .badShape: "its name, shape or size is not acceptable"
    case .tooManyBytes(let declared): "more than the \(declared) bytes declared"
    case .unfinished(let written, let declared): "only \(written) of \(declared) bytes were given"
    case .alreadyFinished: "the file is finished already"
    }
  }
}

/// Text from a file, fit for one line of a terminal: control characters escaped, long text cut.
func quoted(_ text: String) -> String {
  let limit = 160
  var out = "\""
  var count = 0
  for scalar in text.unicodeScalars {
    if count == limit { return out + "…\"" }
    count += 1
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
      out += "\\u{\(String(scalar.value, radix: 16))}"
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out + "\""
}
