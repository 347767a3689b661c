import Fabric
import Foundation
import Kernels
import MoEModel
import Tensors
import Testing

@testable import ExpertParallelism

/// Messages as a broken or hostile peer might send them: each is refused, or is one that could have been meant.
struct DispatchMessageTests {
  private static let hiddenSize = 3
  private static let wire = WireFormat(hiddenSize: hiddenSize, tokens: .float32)
  private let placement = ExpertPlacement(expertCount: 8, rankCount: 2)
  /// Three tokens with experts of rank 1, which owns 4 to 7.
  private let visits: [[Int32]] = [[4, 5], [7], [4, 6, 7]]

  /// As they lie in the message: a token's visits here are one subtree, as it has no others.
  private func words(_ visits: [Int32]) -> [VisitWord] {
    visits.enumerated().map { place, expert in
      VisitWord(expert: expert, place: 1, beginsSubtree: place == 0, beginsRow: place == 0)
    }
  }

  private func message(_ visits: [[Int32]]) -> [UInt8] { message(visits.map(words)) }

  private func message(_ visits: [[VisitWord]]) -> [UInt8] {
    let (tokens, counts) = (
      AlignedBuffer(visits.indices.map { Int32($0) }), AlignedBuffer(visits.map { Int32($0.count) })
    )
    let (experts, weights) = (
      AlignedBuffer(visits.flatMap(\.self)), AlignedBuffer(visits.joined().map { Float($0.expert) / 8 })
    )
    func part<Element>(_ buffer: AlignedBuffer<Element>, _ count: Int) -> UnsafeBufferPointer<Element> {
      .init(start: buffer.pointer, count: count)
    }
    let destination = DispatchPlan.Destination(
      tokens: part(tokens, visits.count), visitCounts: part(counts, visits.count),
      visits: part(experts, visits.joined().count),
      weights: part(weights, visits.joined().count), returnCount: 0)
    let size = Self.wire.dispatchByteCount(tokens: visits.count, visits: destination.visits.count)
    defer { withExtendedLifetime((tokens, counts, experts, weights)) {} }
    return withUnsafeTemporaryAllocation(byteCount: size, alignment: 64) { buffer in
      buffer.initializeMemory(as: UInt8.self, repeating: 0)
      let message = DispatchMessage(writing: destination, Self.wire, to: buffer.baseAddress!)
      let rows = message.row(0).assumingMemoryBound(to: Float.self)
      for i in 0..<(visits.count * Self.hiddenSize) { rows[i] = Float(i) }
      return Array(buffer)
    }
  }

  /// Reads a message that ends where no memory follows; nil when it is refused.
  private func read(_ bytes: [UInt8], tokenLimit: Int = 4) throws -> (counts: [Int32], experts: [Int32])? {
    let page = 4096
    let memory = mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    defer { munmap(memory, 2 * page) }
    try #require(mprotect(memory + page, page, PROT_NONE) == 0)
    // As near to the end as words can start.
    let base = memory + page - (bytes.count + 3) / 4 * 4
    bytes.withUnsafeBytes { if let source = $0.baseAddress { base.copyMemory(from: source, byteCount: $0.count) } }
    do throws(ExpertParallelismError) {
      let message = try DispatchMessage(
        reading: base, byteCount: bytes.count, from: Rank(0), to: [nil, Rank(1)], layer: 5, tokenLimit: tokenLimit,
        wire: Self.wire, placement: placement)
      var sum: Float = 0
      for i in 0..<(message.tokenCount * Self.hiddenSize) {
        sum += message.row(0).assumingMemoryBound(to: Float.self)[i]
      }
      for i in 0..<message.visitCount { sum += message.weights[i] }
      return (
        Array(UnsafeBufferPointer(start: message.visitCounts, count: message.tokenCount)),
        UnsafeBufferPointer(start: message.visits, count: message.visitCount).map(\.expert)
      )
    } catch {
      guard case .malformedDispatch(from: Rank(0), layer: 5, _) = error else { throw error }
      return nil
    }
  }

  @Test func whatIsWrittenIsRead() throws {
    let found = try #require(try read(message(visits)))
    #expect(found.counts == [2, 1, 3])
    #expect(found.experts == [4, 5, 7, 4, 6, 7])
    #expect(try #require(try read(message([[Int32]]()))).counts == [])
  }

  @Test func aMessageCutOrLengthenedAnywhereIsRefused() throws {
    let whole = message(visits)
    for count in whole.indices { #expect(try read(Array(whole.prefix(count))) == nil, "\(count) bytes") }
    for extra in 1...70 {
      #expect(try read(whole + [UInt8](repeating: 0, count: extra)) == nil, "\(extra) bytes more")
    }
  }

  @Test func moreTokensThanTheStepHasAreRefused() throws {
    #expect(try read(message(visits), tokenLimit: 3) != nil)
    #expect(try read(message(visits), tokenLimit: 2) == nil)
    #expect(try read(message(visits), tokenLimit: 0) == nil)
  }

  @Test(
    arguments: [
      [[5, 4]], [[4, 4]], [[3]], [[0, 4]], [[4, 8]], [[-1, 4]], [[Int32.max]], [[Int32.min]], [[]], [[4], []],
      [[], [4]],
    ] as [[[Int32]]])
  func expertsOutOfOrderOrNotOwnedAreRefused(visits: [[Int32]]) throws { #expect(try read(message(visits)) == nil) }

  /// Rows are counted by where subtrees begin: whoever sends and whoever adds up must count the same.
  @Test func subtreesThatBeginInTheWrongPlaceAreRefused() throws {
    func word(_ expert: Int32, _ subtree: Bool, _ row: Bool, place: Int32 = 1) -> VisitWord {
      VisitWord(expert: expert, place: place, beginsSubtree: subtree, beginsRow: row)
    }
    #expect(try read(message([[word(4, true, true), word(5, true, false), word(6, false, false)]])) != nil)
    #expect(try read(message([[word(4, true, true), word(5, true, true)]])) != nil)
    for visits in [
      [word(4, false, false)], [word(4, true, false)], [word(4, false, true)],
      [word(4, true, true), word(5, false, true)], [word(4, true, true, place: 0)], [word(4, true, true, place: 2)],
      [word(4, true, true, place: 1023)],
    ] { #expect(try read(message([visits])) == nil, "\(visits)") }
  }

  @Test(arguments: [0, 1, 1 << 20 - 1] as [Int32], [0, 1, 1023] as [Int32])
  func aVisitHasRoomForEveryExpertAndRank(expert: Int32, place: Int32) {
    for (subtree, row) in [(false, false), (true, false), (true, true)] {
      let word = VisitWord(expert: expert, place: place, beginsSubtree: subtree, beginsRow: row)
      #expect(word.expert == expert && word.place == place && word.beginsSubtree == subtree && word.beginsRow == row)
    }
  }

  @Test func everyWordMayBeAnythingWithoutBreakingWhatIsAccepted() throws {
    let whole = message(visits)
    let words = 4 + visits.count + 2 * visits.joined().count
    let asked = Int32(bitPattern: self.words([6])[0].bits)
    for word in 0..<words {
      for value in [
        Int32.min, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1000, 1 << 28, 1 << 30, .max, asked, asked + 1, 6 | 1 << 20,
      ] as [Int32] {
        var bytes = whole
        withUnsafeBytes(of: value.littleEndian) { bytes.replaceSubrange((word * 4)..<(word * 4 + 4), with: $0) }
        guard let found = try read(bytes) else { continue }
        var rest = found.experts[...]
        for count in found.counts {
          let experts = rest.prefix(Int(count))
          rest = rest.dropFirst(Int(count))
          #expect(!experts.isEmpty && experts.allSatisfy { (4..<8).contains($0) })
          #expect(zip(experts, experts.dropFirst()).allSatisfy { $0 < $1 })
        }
        #expect(rest.isEmpty)
      }
    }
  }
}
