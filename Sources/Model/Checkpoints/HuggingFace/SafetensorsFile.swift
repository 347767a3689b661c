import JSON
import Synchronization

/// One safetensors file: opened once, its header checked; weights are read only when asked for.
package final class SafetensorsFile: TensorReader {
  package let path: String
  /// Size of the whole file.
  package let byteCount: Int
  /// In the order of their data.
  package let entries: [TensorEntry]
  /// `__metadata__`: strings only.
  package let metadata: JSONObject
  /// SHA-256 of the header's bytes and the file's size.
  let headerDigest: [UInt8]
  private let file: InputFile
  private let positions: [ExactString: Int]
  private let readCount = Atomic<Int>(0)

  /// Opens and checks; throws on any rule of `SafetensorsHeader` broken, before allocating for more than the header.
  package convenience init(path: String, limits: CheckpointLimits = CheckpointLimits()) throws(CheckpointError) {
    try self.init(path: path, fileIndex: 0, limits: limits)
  }

  init(path: String, fileIndex: Int, limits: CheckpointLimits) throws(CheckpointError) {
    let file = try InputFile(path: path)
    guard file.byteCount <= limits.fileByteCount else {
      throw .tooLarge(path: path, byteCount: file.byteCount, limit: limits.fileByteCount)
    }
    let header = try Self.headerBytes(of: file, limits: limits)
    let table = try SafetensorsHeader(
      header, path: path, fileIndex: fileIndex, dataByteCount: file.byteCount - 8 - header.count, limits: limits)
    self.path = path
    self.file = file
    byteCount = file.byteCount
    entries = table.entries
    metadata = table.metadata
    positions = table.positions
    var hash = SHA256()
    hash.update(count: file.byteCount)
    hash.update(header)
    headerDigest = hash.finish()
  }

  private static func headerBytes(of file: InputFile, limits: CheckpointLimits) throws(CheckpointError) -> [UInt8] {
    let pointer = Array("version https://git-lfs.github.com/spec/".utf8)
    if file.byteCount >= pointer.count, try file.bytes(at: 0, count: pointer.count) == pointer {
      throw .gitLFSPointer(path: file.path)
    }
    guard file.byteCount >= 8 else {
      throw .headerPastEnd(path: file.path, headerByteCount: 0, fileByteCount: file.byteCount)
    }
    let length = try file.bytes(at: 0, count: 8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard let count = Int(exactly: length), count <= min(limits.headerByteCount, 100_000_000) else {
      throw .headerTooLong(path: file.path, byteCount: length, limit: min(limits.headerByteCount, 100_000_000))
    }
    guard count <= file.byteCount - 8 else {
      throw .headerPastEnd(path: file.path, headerByteCount: count, fileByteCount: file.byteCount)
    }
    return try file.bytes(at: 8, count: count)
  }

  /// The tensor whose name has the same bytes as `name`.
  package func tensor(_ name: String) -> TensorEntry? { positions[ExactString(name)].map { entries[$0] } }

  /// Its place in `entries`.
  func position(_ name: String) -> Int? { positions[ExactString(name)] }

  /// What the system knows the file by: equal for two processes of one host that have the same file open.
  package var identity: (device: UInt64, inode: UInt64) { file.identity }

  /// Bytes of tensor data read so far, by all threads.
  package var bytesRead: Int { readCount.load(ordering: .relaxed) }

  package func file(of entry: TensorEntry) -> String { path }

  package func read(
    _ entry: TensorEntry, bytes range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    guard range.lowerBound >= 0, range.upperBound <= entry.byteCount else {
      throw .rangeOutsideTensor(path: path, name: entry.name, range: range, byteCount: entry.byteCount)
    }
    guard buffer.count >= range.count else {
      throw .bufferTooSmall(name: entry.name, byteCount: buffer.count, needed: range.count)
    }
    try read(
      into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count]), at: entry.byteOffset + range.lowerBound)
  }

  /// Fills `buffer` from byte `offset` of the file; safe from any thread.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CheckpointError) {
    try file.read(into: buffer, at: offset)
    readCount.wrappingAdd(buffer.count, ordering: .relaxed)
  }

  /// Tells the system that bytes will be read soon.
  func prefetch(count: Int, at offset: Int) { file.prefetch(count: count, at: offset) }

  /// Throws when the file's size or time of modification is no longer what it was at opening.
  package func checkUnchanged() throws(CheckpointError) { try file.checkUnchanged() }
}
