import JSON
import Tensors

/// A model in GGUF files, one or several that belong together, seen as the family publishes it: settings in the keys of
/// `config.json`, tensors by their published names, and the tokenizer as `tokenizer.json`.
///
/// Opening reads headers only and checks all of them. Names are those of published checkpoints whose experts are stored
/// apart. One form is of this format alone: where the up-projection of keys and values (`kv_b_proj`) is cut up by
/// heads, it is `k_b_proj` `[heads, latent, nope]` and `v_b_proj` `[heads, value, latent]`.
final class GGUFCheckpoint: Checkpoint {
  /// What rotary frequencies are divided by; read when the files are opened.
  static let frequencies = "rope_freqs.weight"

  let path: String
  let config: JSONValue
  let generationConfig: JSONValue?
  let fingerprintParts: [(file: String, digest: [UInt8])]
  private let files: [GGUFFile]
  private let table: GGUFEntries
  private let text: GGUFDocuments

  init(path: String, limits: CheckpointLimits = CheckpointLimits()) throws(CheckpointError) {
    let files = try Self.open(path, limits)
    let first = files[0]
    let architecture = try GGUFArchitecture.of(first.metadata)
    let settings = GGUFSettings(
      first.metadata, architecture: architecture.name, tensors: files.flatMap(\.header.tensors),
      frequencies: try Self.frequencies(in: files))
    var config = try architecture.config(settings)
    for (key, value) in settings.unasked { config[key] = value }
    table = try GGUFEntries(files, names: architecture.names, config: config, limits: limits)
    let text = GGUFDocuments(path: path, metadata: first.metadata, architecture: architecture)
    for (key, token) in try text.namedTokens() { config["\(key)_token_id"] = .int(token) }
    self.config = .object(config)
    generationConfig = try text.generationConfig()
    (self.text, self.path, self.files) = (text, path, files)
    fingerprintParts = files.map { (String($0.path.split(separator: "/").last ?? ""), $0.header.digest) }
  }

  /// Opens a model's files and holds them against one another.
  private static func open(_ path: String, _ limits: CheckpointLimits) throws(CheckpointError) -> [GGUFFile] {
    let shards = try GGUFShards(path: path, limits: limits)
    var files: [GGUFFile] = []
    var tensorCount = 0
    for (number, path) in shards.paths.enumerated() {
      let file = try GGUFFile(path: path, limits: limits)
      try check(file, number, of: shards.paths.count)
      tensorCount += file.header.tensors.count
      // Counted at once, so that files cannot add up without bound.
      guard tensorCount <= limits.tensorCount else {
        throw .tooMany(path: path, what: "tensors", limit: limits.tensorCount)
      }
      if let first = files.first?.metadata, let expected = try first.string("general.architecture"),
        let found = try file.metadata.string("general.architecture"), found != expected
      {
        throw .gguf(path: path, byte: nil, .otherArchitecture(found, expected: expected))
      }
      files.append(file)
    }
    if let declared = try files[0].metadata.int("split.tensors.count", in: 0...Int.max), declared != tensorCount {
      throw .gguf(path: files[0].path, byte: nil, .shardTensors(found: tensorCount, declared: declared))
    }
    return files
  }

  /// What a file says of its place among others.
  private static func check(_ file: GGUFFile, _ number: Int, of count: Int) throws(CheckpointError) {
    let metadata = file.metadata
    for (key, expected) in [("split.no", number), ("split.count", count)] {
      guard let found = try metadata.int(key, in: 0...Int.max) else { continue }
      // A file alone may say that it is one of none.
      guard found == expected || count == 1 && found == 0 else {
        throw metadata.problem(.shardNumber(key: key, found: found, expected: expected))
      }
    }
  }

  private static func frequencies(in files: [GGUFFile]) throws(CheckpointError) -> [Float]? {
    for file in files {
      guard let tensor = file.header.tensors.first(where: { $0.name == frequencies }) else { continue }
      guard tensor.type.elementType == .float32, tensor.shape.count == 1, tensor.shape[0] <= 4096 else {
        throw file.metadata.problem(
          .shape(tensor: frequencies, found: tensor.shape, expected: "a short list of F32 numbers"))
      }
      var values = [Float](repeating: 0, count: tensor.shape[0])
      var failure: CheckpointError?
      values.withUnsafeMutableBytes { buffer in
        do throws(CheckpointError) { try file.read(into: buffer, at: tensor.byteOffset) } catch { failure = error }
      }
      if let failure { throw failure }
      return values
    }
    return nil
  }

  var entries: [TensorEntry] { table.entries }
  var fileCount: Int { files.count }

  var identity: UInt64 { InputFile.identity(of: files.map(\.identity)) }

  func file(of entry: TensorEntry) -> String { files[entry.fileIndex].path }
  func tensor(_ name: String) -> TensorEntry? { table.positions[ExactString(name)].map { entries[$0] } }
  func position(of entry: TensorEntry) -> Int? { table.positions[ExactString(entry.name)] }
  var holdsItsSettings: Bool { true }
  /// Parts of a model that are missing are told when it is opened.
  func absence(of name: String) -> CheckpointError? { nil }

  var bytesRead: Int { files.reduce(0) { $0 + $1.bytesRead } }

  func read(
    _ entry: TensorEntry, bytes range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    let file = files[entry.fileIndex]
    guard range.lowerBound >= 0, range.upperBound <= entry.byteCount else {
      throw .rangeOutsideTensor(path: file.path, name: entry.name, range: range, byteCount: entry.byteCount)
    }
    guard buffer.count >= range.count else {
      throw .bufferTooSmall(name: entry.name, byteCount: buffer.count, needed: range.count)
    }
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count])
    func read(_ part: UnsafeMutableRawBufferPointer, _ offset: Int) throws(CheckpointError) {
      try file.read(into: part, at: entry.byteOffset + offset)
    }
    if let turn = turn(of: entry) { return try turn.read(range, into: target, read) }
    if let order = order(of: entry) { return try order.read(range, into: target, read) }
    try read(target, range.lowerBound)
  }

  private func order(of entry: TensorEntry) -> UnitOrder? {
    table.orders.isEmpty ? nil : table.orders[ExactString(entry.name)]
  }

  private func turn(of entry: TensorEntry) -> HeadTurn? {
    table.turns.isEmpty ? nil : table.turns[ExactString(entry.name)]
  }

  func prefetch(_ entry: TensorEntry, bytes range: Range<Int>) {
    let range = turn(of: entry)?.heads(of: range) ?? order(of: entry)?.span(of: range) ?? range
    files[entry.fileIndex].prefetch(count: range.count, at: entry.byteOffset + range.lowerBound)
  }

  func checkUnchanged() throws(CheckpointError) { for file in files { try file.checkUnchanged() } }

  // MARK: Documents

  func document(_ name: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    if name == "config.json" { return Array(config.text().utf8) }
    return try text.document(name, limit: limit)
  }

  func placeOfDocument(_ name: String) -> String { text.placeOfDocument(name) }

  func copyCompanions(to output: OutputFolder) throws(CheckpointError) {
    for name in GGUFDocuments.names where name != "config.json" {
      do throws(CheckpointError) {
        if let bytes = try text.document(name, limit: 256 << 20) { try output.write(bytes, as: name) }
      } catch {
        // A model whose tokenizer is not understood is still one of weights.
        guard case .gguf(_, _, let problem) = error, problem.isOfUnknownTokenizer else { throw error }
      }
    }
  }
}
