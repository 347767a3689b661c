import Glibc

/// A file with this process's number, for whoever is to stop it; removed when the server ends.
final class ProcessFile {
  private let path: String

  init(_ path: String) throws {
    self.path = path
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw PromptError.unwritable(path: path, reason: String(cString: strerror(errno))) }
    defer { close(file) }
    let text = "\(getpid())\n"
    guard write(file, text, text.utf8.count) == text.utf8.count else {
      throw PromptError.unwritable(path: path, reason: String(cString: strerror(errno)))
    }
  }

  deinit { unlink(path) }
}
