import Synchronization

/// One GGUF file: opened once, its header checked; weights are read only when asked for.
final class GGUFFile: Sendable {
  /// `GGUF`, as a little-endian integer.
  static let magic: UInt32 = 0x4655_4747

  let header: GGUFHeader
  private let file: InputFile
  private let readCount = Atomic<Int>(0)

  init(path: String, limits: CheckpointLimits) throws(CheckpointError) {
    let file = try InputFile(path: path)
    guard file.byteCount <= limits.fileByteCount else {
      throw .tooLarge(path: path, byteCount: file.byteCount, limit: limits.fileByteCount)
    }
    header = try GGUFHeader(file, limits: limits)
    self.file = file
  }

  /// Whether what lies at `path` is a file that begins as GGUF files do.
  static func isOne(_ path: String) -> Bool {
    guard let file = try? InputFile(path: path), file.byteCount >= 4, let bytes = try? file.bytes(at: 0, count: 4)
    else { return false }
    return bytes == Array("GGUF".utf8)
  }

  var path: String { file.path }
  var metadata: GGUFMetadata { header.metadata }
  /// What the system knows the file by: equal for two processes of one host that have the same file open.
  var identity: (device: UInt64, inode: UInt64) { file.identity }
  /// Bytes of tensor data read so far, by all threads.
  var bytesRead: Int { readCount.load(ordering: .relaxed) }

  /// Fills `buffer` from byte `offset` of the file; safe from any thread.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CheckpointError) {
    try file.read(into: buffer, at: offset)
    readCount.wrappingAdd(buffer.count, ordering: .relaxed)
  }

  /// Tells the system that bytes will be read soon.
  func prefetch(count: Int, at offset: Int) { file.prefetch(count: count, at: offset) }

  /// Throws when the file's size or time of modification is no longer what it was at opening.
  func checkUnchanged() throws(CheckpointError) { try file.checkUnchanged() }
}
