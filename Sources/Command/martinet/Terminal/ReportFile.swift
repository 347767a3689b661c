import Glibc

/// Files for people, and for programs that follow a run.
enum ReportFile {
  /// Finds a path that nobody can write to before the work and not after it.
  static func check(_ path: String) throws {
    var status = stat()
    let isNew = lstat(path, &status) != 0
    let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw PromptError.unwritable(path: path, reason: String(cString: strerror(errno))) }
    close(file)
    // Where the work fails no empty file says that there was some.
    if isNew { unlink(path) }
  }

  /// Whether two paths lead to the same file.
  static func isSame(_ one: String, _ other: String) -> Bool {
    var (a, b) = (stat(), stat())
    guard stat(one, &a) == 0, stat(other, &b) == 0 else { return one == other }
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino
  }

  static func write(_ text: String, to path: String) throws {
    guard let file = fopen(path, "w") else {
      throw PromptError.unwritable(path: path, reason: String(cString: strerror(errno)))
    }
    var text = text
    let written = text.withUTF8 { fwrite($0.baseAddress, 1, $0.count, file) }
    guard fclose(file) == 0, written == text.utf8.count else {
      throw PromptError.unwritable(path: path, reason: String(cString: strerror(errno)))
    }
  }

  /// The same for a file that somebody may read meanwhile: there is the old one or the new one. What is no plain file
  /// is written to.
  static func replace(_ path: String, with text: String) throws {
    var status = stat()
    guard lstat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else { return try write(text, to: path) }
    let partial = path + ".partial"
    // A file that may be written to can lie in a folder where none may be made.
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    guard access(folder, W_OK) == 0 else { return try write(text, to: path) }
    do { try write(text, to: partial) } catch {
      unlink(partial)
      throw error
    }
    guard rename(partial, path) == 0 else {
      throw PromptError.unwritable(path: path, reason: String(cString: strerror(errno)))
    }
  }
}
