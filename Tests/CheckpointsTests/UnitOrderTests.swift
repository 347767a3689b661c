import TestSupport
import Testing

@testable import Checkpoints

/// Units in the order of files, with room for a period and without.
struct UnitOrderTests {
  private static let stored = (0..<252).map { UInt8($0) }

  /// What is read of `range`, and the most bytes that were read at once.
  private func read(
    _ order: UnitOrder, _ range: Range<Int>, limit: Int = 1 << 20
  ) throws -> (bytes: [UInt8], largest: Int) {
    var order = order
    order.scratchLimit = limit
    var out = [UInt8](repeating: 255, count: range.count)
    var largest = 0
    try out.withUnsafeMutableBytes { buffer in
      try order.read(range, into: buffer) { (part, offset) throws(CheckpointError) in
        largest = max(largest, part.count)
        part.copyBytes(from: Self.stored[offset..<(offset + part.count)])
      }
    }
    return (out, largest)
  }

  /// Every range of a tensor with `prefix` bytes before periods of three key heads with four value heads each.
  @Test(arguments: [0, 1, 7, 12, 60]) func everyRangeIsInThePublishedOrder(prefix: Int) throws {
    let unit = 5
    let order = UnitOrder.tiled(keyHeads: 3, each: 4, unitByteCount: unit, prefixByteCount: prefix)
    let periods = (Self.stored.count - prefix) / 60
    let whole = (0..<periods).flatMap { period in
      (0..<3).flatMap { key in
        (0..<4).flatMap { number in
          let place = prefix + period * 60 + (number * 3 + key) * unit
          return Self.stored[place..<(place + unit)]
        }
      }
    }
    let published = Array(Self.stored[..<prefix]) + whole
    for first in 0...published.count {
      for end in stride(from: first, through: published.count, by: 7) {
        #expect(try read(order, first..<end).bytes == Array(published[first..<end]), "\(first)..<\(end)")
        let span = order.span(of: first..<end)
        #expect(span.lowerBound <= first && span.upperBound >= end && span.upperBound <= published.count)
      }
    }
    // Without room for a period, or for two.
    for (limit, most) in [(59, max(unit, prefix)), (60, max(60, prefix)), (119, max(60, prefix))] {
      let (bytes, largest) = try read(order, 0..<published.count, limit: limit)
      #expect(bytes == published && largest == most, "\(limit)")
    }
  }

  /// Betas and decays take turns by key heads; a part's tensor begins with its first run.
  @Test func everySecondRunIsAPartOfItsOwn() throws {
    let order = UnitOrder.everySecond(unitByteCount: 6, unitCount: 4)
    let published = [0, 12, 24, 36].flatMap { Self.stored[$0..<($0 + 6)] }
    for first in 0...published.count {
      for end in first...published.count {
        #expect(try read(order, first..<end).bytes == Array(published[first..<end]))
      }
    }
    #expect(order.span(of: 3..<20) == 3..<38)
    #expect(try read(.everySecond(unitByteCount: 6, unitCount: 1), 0..<6).bytes == Array(Self.stored[..<6]))
  }
}
