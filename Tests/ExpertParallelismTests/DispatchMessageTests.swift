import Fabric
import Foundation
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

  private func message(_ visits: [[Int32]]) -> [UInt8] {
    let (tokens, counts) = (
      AlignedBuffer(visits.indices.map { Int32($0) }), AlignedBuffer(visits.map { Int32($0.count) })
    )
    let (experts, weights) = (
      AlignedBuffer(visits.flatMap(\.self)), AlignedBuffer(visits.joined().map { Float($0) / 8 })
    )
    func part<Element>(_ buffer: AlignedBuffer<Element>, _ count: Int) -> UnsafeBufferPointer<Element> {
      .init(start: buffer.pointer, count: count)
    }
    let destination = DispatchPlan.Destination(
      tokens: part(tokens, visits.count), visitCounts: part(counts, visits.count),
      experts: part(experts, visits.joined().count),
      weights: part(weights, visits.joined().count), returnCount: 0)
    let size = Self.wire.dispatchByteCount(tokens: visits.count, visits: destination.experts.count)
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
        reading: base, byteCount: bytes.count, from: Rank(0), to: Rank(1), layer: 5, tokenLimit: tokenLimit,
        wire: Self.wire, placement: placement)
      var sum: Float = 0
      for i in 0..<(message.tokenCount * Self.hiddenSize) {
        sum += message.row(0).assumingMemoryBound(to: Float.self)[i]
      }
      for i in 0..<message.visitCount { sum += message.weights[i] }
      return (
        Array(UnsafeBufferPointer(start: message.visitCounts, count: message.tokenCount)),
        Array(UnsafeBufferPointer(start: message.experts, count: message.visitCount))
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
    #expect(try #require(try read(message([]))).counts == [])
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

  @Test func everyWordMayBeAnythingWithoutBreakingWhatIsAccepted() throws {
    let whole = message(visits)
    let words = 4 + visits.count + 2 * visits.joined().count
    for word in 0..<words {
      for value in [Int32.min, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1000, 1 << 28, 1 << 30, .max] as [Int32] {
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
