/// How the rows of a projection to heads lie in files of the `llama` architecture: pairs that are turned together side
/// by side, (0, d/2), (1, d/2 + 1), …, where published checkpoints have the first halves of all pairs and then the
/// second.
struct HeadTurn: Sendable {
  let headRows: Int
  let rowByteCount: Int
  var headByteCount: Int { headRows * rowByteCount }
  /// Heads of more bytes are read row by row: a file that speaks of few heads makes them as large as its tensor.
  let scratchLimit: Int

  /// Nil where the rows do not fall into `heads` parts of an even number, or have no bytes of their own: numbers of a
  /// bias in blocks.
  init?(rows: Int, heads: Int, byteCount: Int, scratchLimit: Int = 16 << 20) {
    guard heads > 0, rows > 0, rows / 2 >= heads, rows % (2 * heads) == 0, byteCount > 0, byteCount % rows == 0 else {
      return nil
    }
    (headRows, rowByteCount) = (rows / heads, byteCount / rows)
    self.scratchLimit = scratchLimit
  }

  /// Where a head's published row lies in the file.
  func fileRow(of row: Int) -> Int {
    let half = headRows / 2
    return row < half ? 2 * row : 2 * (row - half) + 1
  }

  /// The bytes of whole heads that the published bytes `range` are among.
  func heads(of range: Range<Int>) -> Range<Int> {
    guard !range.isEmpty else { return range.lowerBound..<range.lowerBound }
    let first = range.lowerBound / headByteCount
    let last = (range.upperBound - 1) / headByteCount
    return (first * headByteCount)..<((last + 1) * headByteCount)
  }

  /// Fills `buffer` with the published bytes `range`; `read` fills a buffer from a byte of the tensor in the file.
  func read(
    _ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer,
    _ read: (UnsafeMutableRawBufferPointer, Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    guard !range.isEmpty, let target = buffer.baseAddress else { return }
    guard headByteCount <= scratchLimit else { return try readRows(range, into: buffer, read) }
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: headByteCount, alignment: 64)
    defer { scratch.deallocate() }
    guard let rows = scratch.baseAddress else { return }
    for start in stride(from: heads(of: range).lowerBound, to: range.upperBound, by: headByteCount) {
      let wanted = range.clamped(to: start..<(start + headByteCount))
      // Of the smaller part of a head only the rows that its halves lie among.
      let halves =
        2 * wanted.count > headByteCount
        ? [wanted]
        : [0, 1].map { wanted.clamped(to: (start + $0 * headByteCount / 2)..<(start + ($0 + 1) * headByteCount / 2)) }
      for part in halves where !part.isEmpty {
        let isWhole = halves.count == 1
        let first = isWhole ? 0 : fileRow(of: (part.lowerBound - start) / rowByteCount)
        let last = isWhole ? headRows - 1 : fileRow(of: (part.upperBound - 1 - start) / rowByteCount)
        let span = UnsafeMutableRawBufferPointer(start: rows, count: (last - first + 1) * rowByteCount)
        try read(span, start + first * rowByteCount)
        var at = part.lowerBound
        while at < part.upperBound {
          let (row, inside) = ((at - start) / rowByteCount, (at - start) % rowByteCount)
          let count = min(rowByteCount - inside, part.upperBound - at)
          (target + (at - range.lowerBound)).copyMemory(
            from: rows + (fileRow(of: row) - first) * rowByteCount + inside, byteCount: count)
          at += count
        }
      }
    }
  }

  /// The same without room for a head: each row is read into its place.
  private func readRows(
    _ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer,
    _ read: (UnsafeMutableRawBufferPointer, Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var at = range.lowerBound
    while at < range.upperBound {
      let (head, inHead) = (at / headByteCount, at % headByteCount)
      let (row, inRow) = (inHead / rowByteCount, inHead % rowByteCount)
      let count = min(rowByteCount - inRow, range.upperBound - at)
      let place = at - range.lowerBound
      try read(
        UnsafeMutableRawBufferPointer(rebasing: buffer[place..<(place + count)]),
        head * headByteCount + fileRow(of: row) * rowByteCount + inRow)
      at += count
    }
  }
}
