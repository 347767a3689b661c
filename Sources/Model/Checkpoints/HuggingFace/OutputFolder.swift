import Glibc
import JSON

/// A folder that a checkpoint is written into: new, or empty until now. What was put there can be taken back.
package final class OutputFolder {
  package let path: String
  private let isNew: Bool
  private var names: [String] = []
  private var folders: [String] = []

  /// Creates the folder or accepts an empty one, and sees that the file system has `byteCount` bytes free.
  package init(path: String, byteCount: Int) throws(CheckpointError) {
    guard !path.isEmpty, !path.utf8.contains(0) else { throw .system(operation: "create", path: path, code: EINVAL) }
    self.path = path
    isNew = mkdir(path, 0o777) == 0
    if !isNew {
      guard errno == EEXIST else { throw .system(operation: "create", path: path, code: errno) }
      guard let held = Self.files(in: path), held.isEmpty else { throw .outputExists(path: path) }
    }
    var space = statvfs()
    guard statvfs(path, &space) == 0 else { return }
    let (available, overflows) = Int(space.f_bavail).multipliedReportingOverflow(by: Int(space.f_frsize))
    guard overflows || available >= byteCount else {
      if isNew { rmdir(path) }
      throw .noSpace(path: path, needed: byteCount, available: available)
    }
  }

  /// The path of a file about to be written there.
  package func file(_ name: String) -> String {
    names.append(name)
    return "\(path)/\(name)"
  }

  /// Writes a document.
  package func write(_ value: JSONValue, as name: String) throws(CheckpointError) {
    try write(Array((value.text(pretty: true) + "\n").utf8), as: name)
  }

  /// Writes a file that is not there yet; its name may begin with that of a folder.
  package func write(_ bytes: [UInt8], as name: String) throws(CheckpointError) {
    if let end = name.lastIndex(of: "/"), !folders.contains(String(name[..<end])) {
      let folder = "\(self.path)/\(name[..<end])"
      guard mkdir(folder, 0o777) == 0 else { throw .system(operation: "create", path: folder, code: errno) }
      folders.append(String(name[..<end]))
    }
    let path = file(name)
    guard let file = fopen(path, "wxe") else { throw .system(operation: "create", path: path, code: errno) }
    let written = fwrite(bytes, 1, bytes.count, file) == bytes.count
    let code = errno
    guard fclose(file) == 0, written else {
      throw .system(operation: "write", path: path, code: written ? errno : code)
    }
  }

  /// Removes what was written, and the folder where it was new.
  package func discard() {
    for name in names { unlink("\(path)/\(name)") }
    for name in folders { rmdir("\(path)/\(name)") }
    if isNew { rmdir(path) }
  }

  /// Names in a folder, but its own and its parent's, in order; nil where it cannot be read.
  package static func files(in path: String) -> [String]? {
    guard let directory = opendir(path) else { return nil }
    defer { closedir(directory) }
    var names: [String] = []
    while names.count < 100_000, let item = readdir(directory) {
      let name = withUnsafeBytes(of: &item.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

extension HuggingFaceFolder {
  private static let weightSuffixes = [
    ".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".pt", ".pth", ".gguf",
  ]
  private static let companionByteCount = 256 << 20
  /// What is read of folders beside the weights.
  private static let nested = [
    "additional_chat_templates/tool_use.jinja", "encoding/encoding_dsv32.py", "encoding/encoding_dsv4.py",
  ]

  /// Copies what lies beside weights and `config.json`, such as the tokenizer, into `output`; hidden and huge files are
  /// left, and folders, but for what is read of them.
  package func copyCompanions(to output: OutputFolder) throws(CheckpointError) {
    let remade = ["config.json", RecordedSums.fileName]
    let names = (OutputFolder.files(in: path) ?? []) + Self.nested
    for name in names where !remade.contains(name) && !name.hasPrefix(".") {
      guard !Self.weightSuffixes.contains(where: { name.hasSuffix($0) }) else { continue }
      let bytes: [UInt8]?
      do throws(CheckpointError) { bytes = try document(name, limit: Self.companionByteCount) } catch {
        switch error {
        case .notARegularFile, .tooLarge: continue
        default: throw error
        }
      }
      if let bytes { try output.write(bytes, as: name) }
    }
  }
}
