import Checkpoints

/// The same bytes of each of a tensor's lines: what one worker needs of words or scales that lie across rows.
struct TensorStrip {
  /// About as many bytes as a read of its own takes the time of.
  private static let callByteCount = 4 << 10

  let entry: TensorEntry
  let lineByteCount: Int
  /// Wanted of each line.
  let bytes: Range<Int>
  /// The part of them that its reader answers for: where a word has several rows, whoever has the first of them.
  let own: Range<Int>

  init(_ entry: TensorEntry, lineByteCount: Int, bytes: Range<Int>, own: Range<Int>) {
    (self.entry, self.lineByteCount, self.bytes, self.own) = (entry, lineByteCount, bytes, own)
  }

  /// What holds `rows` of a tensor `[lines, ⌈lineRows / rowsPerElement⌉]`. `isCounted`: whether nobody else reads these
  /// rows, so that their bytes are summed.
  init(
    _ entry: TensorEntry, lineRows: Int, rows: Range<Int>, elementByteCount: Int, rowsPerElement: Int, isCounted: Bool
  ) {
    func element(from row: Int) -> Int { (row + rowsPerElement - 1) / rowsPerElement }
    self.entry = entry
    lineByteCount = element(from: lineRows) * elementByteCount
    let end = element(from: rows.upperBound) * elementByteCount
    bytes = (rows.lowerBound / rowsPerElement * elementByteCount)..<end
    own = isCounted ? (element(from: rows.lowerBound) * elementByteCount)..<end : end..<end
  }

  private var readsWholeLines: Bool { bytes.count + Self.callByteCount >= lineByteCount }

  /// From a line's bytes to the next one's in memory.
  var stride: Int { readsWholeLines ? lineByteCount : bytes.count }

  /// Room that so many lines take.
  func byteCount(lines count: Int) -> Int { count == 0 ? 0 : (count - 1) * stride + bytes.count }

  /// Reads some lines' bytes to `target`, which has room for them, and sums what is its own.
  func read(
    _ lines: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?, into target: UnsafeMutableRawPointer
  ) throws {
    guard !lines.isEmpty, !bytes.isEmpty else { return }
    func read(_ first: Int, _ count: Int, at offset: Int) throws {
      try checkpoint.read(
        entry, bytes: first..<(first + count), into: UnsafeMutableRawBufferPointer(start: target + offset, count: count)
      )
    }
    if readsWholeLines {
      try read(lines.lowerBound * lineByteCount + bytes.lowerBound, byteCount(lines: lines.count), at: 0)
    } else {
      for line in lines {
        try read(line * lineByteCount + bytes.lowerBound, bytes.count, at: (line - lines.lowerBound) * stride)
      }
    }
    guard let sums, !own.isEmpty else { return }
    var sum = TensorSum()
    if own.count == lineByteCount {
      let all = UnsafeRawBufferPointer(start: target, count: lines.count * lineByteCount)
      sum = TensorSum(all, at: lines.lowerBound * lineByteCount)
    } else {
      for line in lines {
        let start = target + (line - lines.lowerBound) * stride + (own.lowerBound - bytes.lowerBound)
        sum += TensorSum(
          UnsafeRawBufferPointer(start: start, count: own.count), at: line * lineByteCount + own.lowerBound)
      }
    }
    sums.add(sum, of: entry)
  }
}
