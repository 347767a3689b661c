import Glibc

/// Which files make up a GGUF model: one, or parts named `…-00001-of-00003.gguf` that lie side by side.
struct GGUFShards {
  /// In the order of their numbers.
  let paths: [String]

  /// Whether `path` is a GGUF file, or a folder that holds weights as GGUF files only.
  static func recognises(_ path: String) -> Bool {
    if path.hasSuffix(suffix) || GGUFFile.isOne(path) { return true }
    for name in ["model.safetensors", ShardIndex.fileName] where access("\(path)/\(name)", F_OK) == 0 { return false }
    return !models(in: path).isEmpty
  }

  /// The files of the model at `path`: a file, any part of several, or a folder of one model. Throws where a part is
  /// missing, and where the folder holds several models or none.
  init(path: String, limits: CheckpointLimits) throws(CheckpointError) {
    var file = path
    var status = stat()
    if !path.utf8.contains(0), stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      let models = Self.models(in: path)
      guard models.count == 1 else {
        throw .gguf(path: path, byte: nil, models.isEmpty ? .noModel : .severalModels(models.map(\.name)))
      }
      file = "\(path)/\(models[0].first)"
    }
    guard let part = Part(file) else {
      paths = [file]
      return
    }
    guard part.count <= limits.shardCount else { throw .tooMany(path: file, what: "files", limit: limits.shardCount) }
    paths = (1...part.count).map { part.path(of: $0) }
    // The one that was named says best what is wrong with it.
    for path in paths where path != file && access(path, F_OK) != 0 {
      throw .gguf(path: file, byte: nil, .missingShard(String(path.split(separator: "/").last ?? "")))
    }
  }

  /// What a model's files are called together: their name without ending and number.
  static func displayName(_ name: String) -> String {
    guard name.hasSuffix(suffix) else { return name }
    return Part(name)?.prefix ?? String(name.dropLast(suffix.count))
  }

  private static let suffix = ".gguf"

  /// Models in a folder or, where it has none, in the folders inside it: name, and a file of it. What adapts a model to
  /// images, and statistics of quantising, are none.
  private static func models(in folder: String) -> [(name: String, first: String)] {
    let here = models(in: folder, under: "")
    guard here.isEmpty else { return here }
    return (OutputFolder.files(in: folder) ?? []).prefix(256).filter { !$0.hasPrefix(".") }.flatMap {
      models(in: "\(folder)/\($0)", under: "\($0)/")
    }
  }

  private static func models(in folder: String, under: String) -> [(name: String, first: String)] {
    var models: [(name: String, first: String)] = []
    for name in OutputFolder.files(in: folder) ?? [] where name.hasSuffix(suffix) && !name.hasPrefix(".") {
      let words = name.split { !$0.isLetter && !$0.isNumber }
      guard !words.contains("mmproj"), !words.contains("imatrix") else { continue }
      let model = under + displayName(name)
      if !models.contains(where: { $0.name == model }) { models.append((model, under + name)) }
    }
    return models
  }
}

extension GGUFShards {
  /// A part's name: `prefix-00001-of-00003.gguf`.
  struct Part {
    let prefix: String
    let number: Int
    let count: Int

    /// Nil for names of another form.
    init?(_ path: String) {
      guard path.hasSuffix(GGUFShards.suffix) else { return nil }
      let stem = path.dropLast(GGUFShards.suffix.count)
      // "-00001-of-00003"
      let end = Array(stem.utf8.suffix(15))
      guard end.count == 15, stem.utf8.count > 15, end[0] == UInt8(ascii: "-"),
        Array(end[6..<10]) == Array("-of-".utf8),
        let number = Self.digits(end[1..<6]), let count = Self.digits(end[10...]), number >= 1, number <= count
      else { return nil }
      (self.number, self.count) = (number, count)
      prefix = String(decoding: stem.utf8.dropLast(15), as: UTF8.self)
    }

    private static func digits(_ bytes: ArraySlice<UInt8>) -> Int? {
      bytes.allSatisfy { (48...57).contains($0) } ? bytes.reduce(0) { $0 * 10 + Int($1 - 48) } : nil
    }

    func path(of number: Int) -> String { "\(prefix)\(ShardName.part(number, of: count))\(GGUFShards.suffix)" }
  }
}
