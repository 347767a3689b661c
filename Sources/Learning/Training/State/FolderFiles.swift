import Checkpoints
import Glibc

/// What a training's folder asks of the file system; a failed call becomes an error that names it.
enum FolderFiles {
  private static func failure(_ operation: String, _ path: String, _ code: Int32 = errno) -> StateError {
    .system(operation: operation, path: path, reason: String(cString: strerror(code)))
  }

  /// Makes a folder, and those above it; one that is there already is fine.
  static func makeFolder(_ path: String) throws(StateError) {
    guard !path.isEmpty, !path.utf8.contains(0) else { throw failure("create", path, EINVAL) }
    if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw failure("create", path)
    }
    try makeFolder(String(path[..<slash]))
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw failure("create", path) }
  }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Sees that what was written is on the disk: every file of a folder, and the folder's own list of names.
  static func synchronize(_ folder: String) throws(StateError) {
    for name in OutputFolder.files(in: folder) ?? [] { try synchronizeOne("\(folder)/\(name)") }
    try synchronizeOne(folder)
  }

  /// A file, or a folder's list of names. Some file systems do not know the call for folders (EINVAL).
  static func synchronizeOne(_ path: String) throws(StateError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure("write", path) }
  }

  static func rename(_ old: String, to new: String) throws(StateError) {
    guard Glibc.rename(old, new) == 0 else { throw failure("rename to \(new.debugDescription)", old) }
  }

  /// Removes a folder of files, or a file; one that is gone is fine.
  static func remove(_ path: String) throws(StateError) {
    guard isFolder(path) else {
      guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
      return
    }
    for name in OutputFolder.files(in: path) ?? [] { try remove("\(path)/\(name)") }
    guard rmdir(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
  }

  /// Writes a small file anew, whole or not at all: under another name, to the disk, then under its own.
  static func replace(_ path: String, with text: String) throws(StateError) {
    let partial = path + TrainingFolder.partialSuffix
    try remove(partial)
    guard let file = fopen(partial, "wxe") else { throw failure("create", partial) }
    let bytes = Array(text.utf8)
    let written = fwrite(bytes, 1, bytes.count, file) == bytes.count && fflush(file) == 0 && fsync(fileno(file)) == 0
    let code = errno
    guard fclose(file) == 0, written else { throw failure("write", partial, written ? errno : code) }
    try rename(partial, to: path)
  }

  /// Takes the lock on a file, which the system takes back when the process ends, however it does. Nil where another
  /// process has it; −1 where the file system knows no locks.
  static func lock(_ path: String) throws(StateError) -> Int32? {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw failure("create", path) }
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
    let code = errno
    close(descriptor)
    return code == EWOULDBLOCK ? nil : -1
  }
}
