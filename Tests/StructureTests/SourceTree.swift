import Foundation

/// The files of this package.
struct SourceTree {
  struct SourceFile {
    /// Relative to the package.
    var path: String
    var text: String
    var lineCount: Int { text.utf8.count { $0 == UInt8(ascii: "\n") } }

    /// Names of the modules it imports.
    var imports: Set<String> {
      var names: Set<String> = []
      for line in text.split(whereSeparator: \.isNewline) {
        if let name = Self.importedModule(line) { names.insert(name) }
      }
      return names
    }

    private static let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
    private static let kinds: Set<Substring> = [
      "struct", "class", "enum", "protocol", "typealias", "func", "var", "let",
    ]

    static func importedModule(_ line: Substring) -> String? {
      var words = line.split(whereSeparator: \.isWhitespace)[...]
      words = words.drop { $0.hasPrefix("@") || modifiers.contains($0) }
      guard words.first == "import" else { return nil }
      words = words.dropFirst().drop { kinds.contains($0) }
      return words.first.map { String($0.prefix { $0 != "." && $0 != ";" }) }
    }
  }

  /// The folder that holds Package.swift.
  let root: URL

  /// This test's own package.
  static let package = SourceTree(
    root: URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent())

  func text(_ path: String) throws -> String { try String(contentsOf: root.appending(path: path), encoding: .utf8) }

  /// Files under `folder` with one of the extensions, by path; fixtures, which are data, are left out.
  func files(under folder: String, extensions: Set<String>) throws -> [SourceFile] {
    let base = root.appending(path: folder).path
    guard let walk = FileManager.default.enumerator(atPath: base) else { return [] }
    return try walk.compactMap { $0 as? String }.sorted()
      .filter { extensions.contains(($0 as NSString).pathExtension) && !$0.hasPrefix("Fixtures/") }
      .map { SourceFile(path: "\(folder)/\($0)", text: try text("\(folder)/\($0)")) }
  }

  /// Entries at the top that are part of the project: those git knows, or, outside of a clone, all there are.
  func topLevelEntries() throws -> Set<String> {
    if let tracked = trackedFiles() {
      return Set(tracked.compactMap { $0.split(separator: "/").first.map(String.init) })
    }
    return Set(try FileManager.default.contentsOfDirectory(atPath: root.path)).subtracting(["Package.resolved"])
  }

  private func trackedFiles() -> [String]? {
    let git = Process()
    git.executableURL = URL(filePath: "/usr/bin/env")
    git.arguments = ["git", "-C", root.path, "ls-files"]
    let output = Pipe()
    git.standardOutput = output
    git.standardError = FileHandle.nullDevice
    guard (try? git.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    git.waitUntilExit()
    let files = String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    return git.terminationStatus == 0 && files.contains("Package.swift") ? files : nil
  }
}
