import Foundation

/// A folder of a test's own under the system's temporary one, removed with all that is in it when nobody holds it any
/// more.
///
/// Swift may let go of a local one after its last mention, and paths do not hold it: where they are used later, it
/// belongs in a property of the suite or in `withTemporaryFolder`.
package final class TemporaryFolder: Sendable {
  package let path: String

  /// For static properties, which are never let go: removed when the process exits.
  package static let ofProcess: TemporaryFolder = {
    let folder = TemporaryFolder()
    atexit { _ = try? FileManager.default.removeItem(atPath: TemporaryFolder.ofProcess.path) }
    return folder
  }()

  package init() {
    let template = strdup(FileManager.default.temporaryDirectory.path + "/martinet-XXXXXX")!
    defer { free(template) }
    guard mkdtemp(template) != nil else { fatalError("no temporary folder: \(String(cString: strerror(errno)))") }
    path = String(cString: template)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// What is in it, sorted.
  package var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

  /// The path of a file in it, which need not be there.
  package func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file and returns its path.
  @discardableResult
  package func write(_ bytes: [UInt8], as name: String) -> String {
    let path = file(name)
    guard let stream = fopen(path, "w"), fwrite(bytes, 1, bytes.count, stream) == bytes.count, fclose(stream) == 0
    else {
      fatalError("cannot write \(path): \(String(cString: strerror(errno)))")
    }
    return path
  }

  @discardableResult
  package func write(_ text: String, as name: String) -> String { write(Array(text.utf8), as: name) }
}

/// Calls `body` with a folder that is there until it returns.
package func withTemporaryFolder<Result>(_ body: (TemporaryFolder) throws -> Result) rethrows -> Result {
  let folder = TemporaryFolder()
  defer { withExtendedLifetime(folder) {} }
  return try body(folder)
}
