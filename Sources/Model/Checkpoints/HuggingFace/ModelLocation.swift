import Glibc

/// Where the checkpoint lies that a user names: a file or folder, a model's folder in the cache of the Hugging Face hub
/// (`models--org--name`), or a model's name there (`org/name`, or
/// `org/name/FILE.gguf`). Nothing is downloaded.
package enum ModelLocation {
  /// The folder of `config.json` and the weights, as far as it can be told; `environment` looks up a variable.
  package static func resolve(
    _ name: String, environment: (String) -> String? = { getenv($0).map { String(cString: $0) } }
  ) throws(CheckpointError) -> String {
    if isFolder(name) {
      let folder = try onlyModel(ofCache: name) ?? name
      return try snapshot(of: folder) ?? folder
    }
    guard !exists(name) else { return name }
    let cache = hubCache(environment)
    if let file = try fileInHubCache(name, cache) { return file }
    guard isHubName(name) else { return name }
    let folder = cache + "/models--" + name.split(separator: "/").joined(separator: "--")
    guard isFolder(folder) else { throw .notInHubCache(name: name, folder: cache) }
    return try snapshot(of: folder) ?? folder
  }

  /// `org/name/FILE.gguf`: a file of a model that the cache has; nil for other names, and where it does not have it.
  private static func fileInHubCache(_ name: String, _ cache: String) throws(CheckpointError) -> String? {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard name.hasSuffix(".gguf"), parts.count > 2, isHubName(parts[..<2].joined(separator: "/")),
      !parts.contains(where: { $0.isEmpty || $0.hasPrefix(".") })
    else { return nil }
    let folder = "\(cache)/models--\(parts[0])--\(parts[1])"
    guard isFolder(folder) else { return nil }
    return (try snapshot(of: folder) ?? folder) + "/" + parts[2...].joined(separator: "/")
  }

  /// What to call the model in `path`: `org/name` for a snapshot in the hub's cache, else the folder's or file's name.
  package static func displayName(_ path: String) -> String {
    let parts = path.split(separator: "/").filter { $0 != "." }
    if parts.count >= 3, parts[parts.count - 2] == "snapshots", parts[parts.count - 3].hasPrefix("models--") {
      return hubName(String(parts[parts.count - 3]))
    }
    return parts.last.map { GGUFShards.displayName(String($0)) } ?? path
  }

  /// The cache, as the hub's own client finds it.
  static func hubCache(_ environment: (String) -> String?) -> String {
    func value(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
    if let cache = value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE") { return cache }
    if let home = value("HF_HOME") { return home + "/hub" }
    return (value("XDG_CACHE_HOME") ?? (value("HOME") ?? "") + "/.cache") + "/huggingface/hub"
  }

  /// The snapshot that a model's folder in the cache stands for: that of `refs/main`, else the only one. Nil for other
  /// folders.
  private static func snapshot(of folder: String) throws(CheckpointError) -> String? {
    let snapshots = folder + "/snapshots"
    guard !exists(folder + "/config.json"), isFolder(snapshots) else { return nil }
    if let bytes = try? InputFile(path: folder + "/refs/main").contents(limit: 256) {
      let revision = String(decoding: bytes.filter { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }, as: UTF8.self)
      if !revision.isEmpty, !revision.hasPrefix("."), isFolder(snapshots + "/" + revision) {
        return snapshots + "/" + revision
      }
    }
    let revisions = folders(in: snapshots)
    guard revisions.count == 1 else { throw .noSnapshot(folder: folder, count: revisions.count) }
    return snapshots + "/" + revisions[0]
  }

  /// The folder of the only model in a cache; nil for folders that are no cache, and throws where it has several.
  /// `name` may be the folder that `HF_HOME` names, too.
  private static func onlyModel(ofCache name: String) throws(CheckpointError) -> String? {
    guard !exists(name + "/config.json"), !GGUFShards.recognises(name) else { return nil }
    for cache in [name, name + "/hub"] {
      // Such as `models--`, which has no name, are no model's.
      let models = folders(in: cache).filter { $0.hasPrefix("models--") && hubName($0).contains { !"-/".contains($0) } }
        .sorted()
      if models.count > 1 { throw .severalModels(folder: cache, models: models.map(hubName)) }
      if let model = models.first { return cache + "/" + model }
    }
    return nil
  }

  /// `org/name` of `models--org--name`.
  private static func hubName(_ folder: String) -> String {
    var name = String(folder.dropFirst("models--".count))
    if let separator = name.firstSeparator { name.replaceSubrange(separator, with: "/") }
    return name
  }

  /// Whether `name` could be a model's on the hub: `org/name`.
  private static func isHubName(_ name: String) -> Bool {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 2
      && parts.allSatisfy { part in
        !part.isEmpty && part.utf8.count <= 96 && !part.hasPrefix(".") && !part.hasPrefix("-")
          && part.utf8.allSatisfy {
            ($0 | 0x20) >= 97 && ($0 | 0x20) <= 122 || $0 >= 48 && $0 <= 57 || "._-".utf8.contains($0)
          }
      }
  }

  private static func folders(in path: String) -> [String] {
    (OutputFolder.files(in: path) ?? []).filter { !$0.hasPrefix(".") && isFolder(path + "/" + $0) }
  }

  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return !path.utf8.contains(0) && stat(path, &status) == 0
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return !path.utf8.contains(0) && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}

extension String {
  /// Where `--` first stands.
  fileprivate var firstSeparator: Range<String.Index>? {
    var index = startIndex
    while index < endIndex {
      let next = self.index(after: index)
      if next < endIndex, self[index] == "-", self[next] == "-" { return index..<self.index(after: next) }
      index = next
    }
    return nil
  }
}
