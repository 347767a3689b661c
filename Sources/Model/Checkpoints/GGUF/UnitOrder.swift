/// How units of equal size lie in a tensor otherwise than published: rows, heads, or the columns of a head in each row.
///
/// After a prefix that lies as published come periods of as many units each. Unit u of a period lies where the file's
/// unit u / run · runStride + u mod run · stride is.
struct UnitOrder: Sendable, Equatable {
  let prefixByteCount: Int
  let unitByteCount: Int
  /// Units of a period.
  let unitCount: Int
  let run: Int
  let runStride: Int
  let stride: Int
  /// Periods of more bytes are read unit by unit.
  var scratchLimit = 1 << 20

  var periodByteCount: Int { unitCount * unitByteCount }

  /// Units in the file's order of value heads, which is by their number within the group of their key head: published
  /// head k · `each` + i is the file's i · `keyHeads` + k.
  static func tiled(keyHeads: Int, each: Int, unitByteCount: Int, prefixByteCount: Int = 0) -> UnitOrder {
    UnitOrder(
      prefixByteCount: prefixByteCount, unitByteCount: unitByteCount, unitCount: keyHeads * each, run: each,
      runStride: 1, stride: keyHeads)
  }

  /// One of two parts of which units take turns.
  static func everySecond(unitByteCount: Int, unitCount: Int) -> UnitOrder {
    UnitOrder(prefixByteCount: 0, unitByteCount: unitByteCount, unitCount: unitCount, run: 1, runStride: 2, stride: 0)
  }

  private init(prefixByteCount: Int, unitByteCount: Int, unitCount: Int, run: Int, runStride: Int, stride: Int) {
    (self.prefixByteCount, self.unitByteCount, self.unitCount) = (prefixByteCount, unitByteCount, unitCount)
    (self.run, self.runStride, self.stride) = (run, runStride, stride)
  }

  /// Where a period's published unit lies in the file.
  func fileUnit(of unit: Int) -> Int { unit / run * runStride + unit % run * stride }

  /// Whether a period's units are all of the file's there.
  private var isDense: Bool { fileUnit(of: unitCount - 1) == unitCount - 1 }

  /// The bytes from the first to the last that the published bytes `range` are.
  func span(of range: Range<Int>) -> Range<Int> {
    guard !range.isEmpty else { return range.lowerBound..<range.lowerBound }
    guard isDense else { return fileByte(of: range.lowerBound)..<(fileByte(of: range.upperBound - 1) + 1) }
    func start(_ byte: Int) -> Int { prefixByteCount + (byte - prefixByteCount) / periodByteCount * periodByteCount }
    let lower = range.lowerBound < prefixByteCount ? range.lowerBound : start(range.lowerBound)
    let last = range.upperBound - 1
    return lower..<(last < prefixByteCount ? range.upperBound : start(last) + periodByteCount)
  }

  /// Where a published byte is.
  private func fileByte(of byte: Int) -> Int {
    guard byte >= prefixByteCount else { return byte }
    let (period, inPeriod) = (byte - prefixByteCount).quotientAndRemainder(dividingBy: periodByteCount)
    let (unit, inUnit) = inPeriod.quotientAndRemainder(dividingBy: unitByteCount)
    return prefixByteCount + period * periodByteCount + fileUnit(of: unit) * unitByteCount + inUnit
  }

  /// Fills `buffer` with the published bytes `range`; `read` fills a buffer from a byte of the tensor in the file.
  func read(
    _ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer,
    _ read: (UnsafeMutableRawBufferPointer, Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let plain = range.clamped(to: 0..<max(prefixByteCount, 0))
    if !plain.isEmpty { try read(UnsafeMutableRawBufferPointer(rebasing: buffer[..<plain.count]), plain.lowerBound) }
    let rest = max(range.lowerBound, prefixByteCount)..<max(range.upperBound, prefixByteCount)
    guard !rest.isEmpty else { return }
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[(rest.lowerBound - range.lowerBound)...])
    guard isDense, periodByteCount <= scratchLimit else { return try readUnits(rest, into: target, read) }
    try readPeriods(rest, into: target, read)
  }

  /// Whole periods at a time, put in order from a buffer of their own.
  private func readPeriods(
    _ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer,
    _ read: (UnsafeMutableRawBufferPointer, Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let all = span(of: range)
    let step = max(1, scratchLimit / periodByteCount) * periodByteCount
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: min(step, all.count), alignment: 64)
    defer { scratch.deallocate() }
    guard let source = scratch.baseAddress, let target = buffer.baseAddress else { return }
    var start = all.lowerBound
    while start < all.upperBound {
      let count = min(step, all.upperBound - start)
      try read(UnsafeMutableRawBufferPointer(rebasing: scratch[..<count]), start)
      let wanted = range.clamped(to: start..<(start + count))
      try forEachPiece(of: wanted) { (byte, count) throws(CheckpointError) in
        (target + (byte - range.lowerBound)).copyMemory(from: source + (fileByte(of: byte) - start), byteCount: count)
      }
      start += count
    }
  }

  /// Unit by unit, each into its place.
  private func readUnits(
    _ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer,
    _ read: (UnsafeMutableRawBufferPointer, Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    try forEachPiece(of: range) { (byte, count) throws(CheckpointError) in
      let place = byte - range.lowerBound
      try read(UnsafeMutableRawBufferPointer(rebasing: buffer[place..<(place + count)]), fileByte(of: byte))
    }
  }

  /// Calls `body` with the published bytes `range`, which are past the prefix, cut up by units.
  private func forEachPiece(
    of range: Range<Int>, _ body: (_ byte: Int, _ count: Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var byte = range.lowerBound
    while byte < range.upperBound {
      let count = min(unitByteCount - (byte - prefixByteCount) % unitByteCount, range.upperBound - byte)
      try body(byte, count)
      byte += count
    }
  }
}
