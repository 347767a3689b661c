import Glibc

/// A file of a few lines, read whole.
struct SmallFile {
  /// What changes when a file is written, or replaced by another of its name.
  struct Stamp: Equatable, Sendable {
    private let device: UInt
    private let file: UInt
    private let size: Int
    private let seconds: Int
    private let nanoseconds: Int

    /// nil where there is none.
    init?(_ path: String) {
      var facts = stat()
      guard stat(path, &facts) == 0 else { return nil }
      (device, file, size) = (UInt(facts.st_dev), UInt(facts.st_ino), Int(facts.st_size))
      (seconds, nanoseconds) = (facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec)
    }
  }

  /// Why a file cannot be read, in words.
  struct Failure: Error { let reason: String }

  static let byteLimit = 1 << 20

  static func bytes(_ path: String) throws(Failure) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw Failure(reason: words(errno)) }
    defer { close(file) }
    var facts = stat()
    guard fstat(file, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { throw Failure(reason: "it is no file") }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(file, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw Failure(reason: words(errno)) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      guard bytes.count <= byteLimit else { throw Failure(reason: "it has more than \(byteLimit) bytes") }
    }
  }

  private static func words(_ number: Int32) -> String {
    switch number {
    case ENOENT, ENOTDIR: "it is not there"
    case EACCES: "this user may not read it"
    default: String(cString: strerror(number))
    }
  }
}
