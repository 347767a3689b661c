import Foundation
import Glibc

/// The files of a task: a folder's, or those that ship with the program.
package struct TaskFiles: Sendable {
  /// What errors call the place.
  package let name: String
  private let read: @Sendable (String) throws(EvaluationError) -> [UInt8]?

  /// Most bytes of a file.
  private static let byteLimit = 1 << 28

  /// A folder's.
  package init(folder: String) {
    name = folder
    read = { (file) throws(EvaluationError) in
      let path = "\(folder)/\(file)"
      guard let kind = Self.kind(path) else { return nil }
      // To open a pipe would wait for somebody who writes to it.
      guard kind == S_IFREG else { throw .unreadable(path: path, reason: "it is no regular file") }
      guard let handle = FileHandle(forReadingAtPath: path) else {
        throw .unreadable(path: path, reason: "it may not be read")
      }
      defer { try? handle.close() }
      do {
        let data = try handle.read(upToCount: Self.byteLimit + 1) ?? Data()
        guard data.count <= Self.byteLimit else {
          throw EvaluationError.unreadable(path: path, reason: "it has more than \(Self.byteLimit) bytes")
        }
        return Array(data)
      } catch let error as EvaluationError { throw error } catch {
        throw .unreadable(path: path, reason: "it is no file, or may not be read")
      }
    }
  }

  /// What is there, beyond links, as `S_IFREG`; nil where there is nothing.
  static func kind(_ path: String) -> mode_t? {
    var status = stat()
    return unsafe stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  /// Those given.
  init(name: String, files: [String: [UInt8]]) {
    self.name = name
    read = { files[$0] }
  }

  /// nil where there is none.
  func bytes(_ file: String) throws(EvaluationError) -> [UInt8]? { try read(file) }
}
