import TestSupport
import Testing

@testable import Checkpoints

/// Rows of heads in turn, with room for a head and without.
struct HeadTurnTests {
  private static let (rows, heads, rowBytes) = (24, 2, 5)
  private static let stored = (0..<(rows * rowBytes)).map { UInt8($0) }

  private func read(_ range: Range<Int>, limit: Int) throws -> (bytes: [UInt8], largest: Int) {
    let turn = try #require(
      HeadTurn(rows: Self.rows, heads: Self.heads, byteCount: Self.stored.count, scratchLimit: limit))
    var out = [UInt8](repeating: 255, count: range.count)
    var largest = 0
    try out.withUnsafeMutableBytes { buffer in
      try turn.read(range, into: buffer) { (part, offset) throws(CheckpointError) in
        largest = max(largest, part.count)
        part.copyBytes(from: Self.stored[offset..<(offset + part.count)])
      }
    }
    return (out, largest)
  }

  /// Heads beyond the limit are read row by row, to the same bytes.
  @Test func headsTooLargeAreReadByRows() throws {
    let whole = try read(0..<Self.stored.count, limit: 1 << 20).bytes
    // Of a head the even rows come first.
    let order = (0..<2).flatMap { head in [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11].map { head * 12 + $0 } }
    #expect(whole == order.flatMap { row in Self.stored[(row * 5)..<(row * 5 + 5)] })
    for range in [0..<Self.stored.count, 0..<1, 3..<17, 59..<61, 58..<120, 31..<31, 119..<120] {
      let (bytes, largest) = try read(range, limit: 59)
      #expect(bytes == Array(whole[range]) && largest <= Self.rowBytes, "\(range)")
      #expect(try read(range, limit: 60).bytes == Array(whole[range]), "\(range)")
    }
  }

  /// Pieces are read without all of their heads.
  @Test func aPartOfAHeadIsReadWithoutTheRest() throws {
    let whole = try read(0..<Self.stored.count, limit: 1 << 20).bytes
    for first in whole.indices {
      for end in stride(from: first, through: whole.count, by: 7) {
        #expect(try read(first..<end, limit: 60).bytes == Array(whole[first..<end]), "\(first)..<\(end)")
      }
    }
    // Rows 0, 2, 4 and 6 of the file; row 4, and row 3.
    #expect(try read(3..<17, limit: 60).largest == 7 * Self.rowBytes)
    #expect(try read(10..<15, limit: 60).largest == Self.rowBytes)
    #expect(try read(36..<40, limit: 60).largest == Self.rowBytes)
  }

  /// A file may speak of one head for a tensor of any size, or of more heads than can be counted twice.
  @Test func whatFilesSayOfHeadsTakesNoRoom() throws {
    let turn = try #require(HeadTurn(rows: 1 << 20, heads: 1, byteCount: 1 << 34))
    #expect(turn.headByteCount == 1 << 34 && turn.scratchLimit == 16 << 20)
    var row = [UInt8](repeating: 0, count: 1 << 14)
    var calls = 0
    try row.withUnsafeMutableBytes { buffer in
      try turn.read((1 << 33)..<((1 << 33) + 1 << 14), into: buffer) { (part, offset) throws(CheckpointError) in
        calls += 1
        #expect(part.count == 1 << 14 && offset == 1 << 14)
      }
    }
    #expect(calls == 1)
    for heads in [0, -1, 3, Int.max, Int.max / 2 + 1, Int.min] {
      #expect(HeadTurn(rows: 8, heads: heads, byteCount: 64) == nil, "\(heads) heads")
    }
  }
}
