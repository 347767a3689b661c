import Glibc

/// A regular file opened once for reading; all later reads go to that same open file.
///
/// Weights are read with `pread` into memory we own rather than mapped: a mapped file that shrinks kills the
/// process with SIGBUS, a short read is an error we can report.
package final class InputFile: Sendable {
  package let path: String
  /// Its size when it was opened.
  package let byteCount: Int
  private let descriptor: Int32
  private let modified: timespec
  let identity: (device: UInt64, inode: UInt64)

  /// Throws `.system` (code ENOENT when there is no such file) or `.notARegularFile`.
  package init(path: String) throws(CheckpointError) {
    guard !path.utf8.contains(0) else { throw .system(operation: "open", path: path, code: EINVAL) }
    // O_NONBLOCK: opening a named pipe must fail below, not wait for a writer.
    let descriptor = retryingInterrupts { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else { throw .system(operation: "open", path: path, code: errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw .system(operation: "examine", path: path, code: code)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw .notARegularFile(path: path)
    }
    self.path = path
    self.descriptor = descriptor
    byteCount = Int(status.st_size)
    modified = status.st_mtim
    identity = (UInt64(truncatingIfNeeded: status.st_dev), UInt64(truncatingIfNeeded: status.st_ino))
  }

  deinit { close(descriptor) }

  /// One number for several files: equal for two processes of one host that have the same ones open.
  static func identity(of files: [(device: UInt64, inode: UInt64)]) -> UInt64 {
    files.reduce(into: UInt64(14_695_981_039_346_656_037)) { hash, file in
      for number in [file.device, file.inode] { hash = (hash ^ number) &* 1_099_511_628_211 }
    }
  }

  /// The bytes of the file at `path`; nil where there is none, also where a folder in its path is a file.
  static func document(at path: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    do throws(CheckpointError) { return try InputFile(path: path).contents(limit: limit) } catch {
      if case .system("open", _, let code) = error, code == ENOENT || code == ENOTDIR { return nil }
      throw error
    }
  }

  /// Fills `buffer` from byte `offset`; safe from any thread. Throws when the file ends before that.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CheckpointError) {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let (position, overflow) = offset.addingReportingOverflow(done)
      guard !overflow, position >= 0 else { throw .endedEarly(path: path, byte: byteCount, byteCount: byteCount) }
      let count = retryingInterrupts { pread(descriptor, rest.baseAddress, rest.count, off_t(position)) }
      guard count >= 0 else { throw .system(operation: "read", path: path, code: errno) }
      guard count > 0 else { throw .endedEarly(path: path, byte: position, byteCount: byteCount) }
      done += count
    }
  }

  /// Has the system fetch bytes into its cache while something else goes on.
  func prefetch(count: Int, at offset: Int) {
    // No bytes would mean all that follow.
    if count > 0 { _ = posix_fadvise(descriptor, off_t(offset), off_t(count), POSIX_FADV_WILLNEED) }
  }

  /// The `count` bytes from `offset`, which the caller has bounded.
  func bytes(at offset: Int, count: Int) throws(CheckpointError) -> [UInt8] {
    var failure: CheckpointError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      do throws(CheckpointError) {
        let target = UnsafeMutableRawBufferPointer(buffer)[..<count]
        try read(into: UnsafeMutableRawBufferPointer(rebasing: target), at: offset)
        initialized = count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }

  /// The whole file, when it is no larger than `limit`.
  package func contents(limit: Int) throws(CheckpointError) -> [UInt8] {
    guard byteCount <= limit else { throw .tooLarge(path: path, byteCount: byteCount, limit: limit) }
    return try bytes(at: 0, count: byteCount)
  }

  /// Throws when the open file's size or time of modification is no longer what it was.
  func checkUnchanged() throws(CheckpointError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(operation: "examine", path: path, code: errno) }
    guard Int(status.st_size) == byteCount, status.st_mtim.tv_sec == modified.tv_sec,
      status.st_mtim.tv_nsec == modified.tv_nsec
    else { throw .changedSinceOpened(path: path) }
  }
}

/// Calls again as long as a signal interrupted the call.
func retryingInterrupts<Result: SignedInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}
