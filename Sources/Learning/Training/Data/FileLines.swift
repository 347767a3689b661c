import Checkpoints
import Glibc

/// The lines of a file, through a buffer of bounded size.
final class FileLines {
  /// The most bytes of a line.
  static let lineLimit = 16 << 20

  private let file: InputFile
  private var buffer: [UInt8] = []
  private var at = 0
  private var offset = 0
  private let pieceBytes: Int
  /// Of the line that was read last, from 1.
  private(set) var number = 0

  init(_ file: InputFile, pieceBytes: Int = 1 << 20) {
    self.file = file
    self.pieceBytes = pieceBytes
  }

  /// The next line with the newline that ends it, which the last one may lack; nil after that. A byte order mark at the
  /// file's begin is left out. Throws for a line above the limit.
  func next() throws -> ArraySlice<UInt8>? {
    var searched = at
    while true {
      if let end = place(ofNewlineFrom: searched) { return line(to: end + 1) }
      searched = buffer.count - at
      guard buffer.count - at <= Self.lineLimit else {
        throw DataError.longLine(file: file.path, line: number + 1, limit: Self.lineLimit)
      }
      guard offset < file.byteCount else { return at < buffer.count ? line(to: buffer.count) : nil }
      buffer.removeFirst(at)
      at = 0
      let count = min(pieceBytes, file.byteCount - offset)
      let old = buffer.count
      buffer += [UInt8](repeating: 0, count: count)
      try buffer.withUnsafeMutableBytes {
        try file.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[old...]), at: offset)
      }
      if offset == 0, buffer.starts(with: [0xEF, 0xBB, 0xBF]) { (at, searched) = (3, 3) }
      offset += count
    }
  }

  private func place(ofNewlineFrom start: Int) -> Int? {
    buffer.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, start < bytes.count else { return nil }
      return memchr(base + start, Int32(UInt8(ascii: "\n")), bytes.count - start).map { UnsafeRawPointer($0) - base }
    }
  }

  private func line(to end: Int) -> ArraySlice<UInt8> {
    number += 1
    defer { at = end }
    return buffer[at..<end]
  }
}
