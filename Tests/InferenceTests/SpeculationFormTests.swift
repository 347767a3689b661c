import EngineAPI
import Fabric
import Telemetry
import Testing

@testable import Inference

/// Drafts under constraints: only what may come is drafted, and masks follow what was accepted.
struct SpeculationFormTests {
  /// Allows multiples of a factor, of which each may be followed by the next few only, and ends after some of them.
  private final class Cycle: TokenConstraint, @unchecked Sendable {
    let factor: Int
    var left: Int
    var last = 0
    let copies: Bool

    init(_ factor: Int, count: Int, copies: Bool) { (self.factor, left, self.copies) = (factor, count, copies) }

    var allowed: AllowedTokens {
      var words = [UInt64](repeating: 0, count: 8)
      for step in 1...2 {
        let id = (last + step * factor) % (5 * factor)
        words[id >> 6] |= 1 << UInt64(id & 63)
      }
      return AllowedTokens(words: words)
    }

    func advance(_ token: Int32) -> ConstraintProgress {
      last = Int(token)
      left -= 1
      return left > 0 ? .open : .complete
    }

    func copy() -> (any TokenConstraint)? {
      guard copies else { return nil }
      let copy = Cycle(factor, count: left, copies: true)
      copy.last = last
      return copy
    }
  }

  private func requests(_ temperature: Float, copies: Bool) -> RequestMaker {
    {
      (0..<3).map { i in
        var sampling = SamplingParameters()
        (sampling.temperature, sampling.seed) = (temperature, UInt64(i))
        var request = GenerationRequest(
          prompt: [3, 1, 4, 1, 5, 9], task: .generate(maxNewTokens: 50, sampling: sampling, stopTokens: []))
        request.details.topLogprobs = 0
        if i < 2 { request.constraint = Cycle(i == 0 ? 7 : 100, count: 37 + i, copies: copies) }
        return request
      }
    }
  }

  @Test(arguments: ["glm4_moe_lite", "qwen3_moe"], [0, 0.8] as [Float])
  func formsAreKeptTokenByToken(model: String, temperature: Float) throws {
    let folder = try Golden(model).folder
    let plain = try speculate(model: folder, SpeculatedLayout(), requests(temperature, copies: true))
    #expect(plain.tokens.map(\.count) == [37, 38, 50] && plain.finishes == [.stop, .stop, .length])
    for mode in [SpeculationMode.lookup, .auto] {
      for ranks in 1...3 {
        let found = try speculate(
          model: folder, SpeculatedLayout(mode: mode, draftTokens: 6, ranks: ranks), requests(temperature, copies: true)
        )
        #expect(found.drawn == plain.drawn && found.finishes == plain.finishes, "\(mode) on \(ranks)")
        #expect(found.failures == [nil, nil, nil] && found.speculation.acceptedCount > 0)
      }
    }
    // What cannot look ahead is followed step by step, beside others that draft.
    let still = try speculate(
      model: folder, SpeculatedLayout(mode: .auto, ranks: 2), requests(temperature, copies: false))
    #expect(still.drawn == plain.drawn)
  }

  @Test func onlyWhatMayComeIsDrafted() {
    var request = GenerationRequest(
      prompt: [0, 7, 14], task: .generate(maxNewTokens: 50, sampling: .init(), stopTokens: [30]))
    request.constraint = Cycle(7, count: 3, copies: true)
    let sequence = ScheduledSequence(request, id: SequenceID(0))
    // 7 or 14 may come; after 7, 14 or 21; the third token would be the last.
    let first = request.constraint?.allowed
    let (drafts, allowed) = sequence.permitted([7, 14, 21], first: first)
    #expect(
      drafts == [7, 14] && allowed.map { set in (0..<40).filter(set.contains) } == [[7, 14], [14, 21], [21, 28]])
    #expect(
      sequence.permitted([8, 7], first: first).drafts.isEmpty && sequence.permitted([7, 7], first: first).drafts == [7])
    #expect(sequence.permitted([], first: first).allowed.count == 1)
    #expect(
      request.constraint.map { (0..<512).filter($0.allowed.contains) } == [7, 14], "a copy went ahead, not it itself")
    request.constraint = nil
    let free = ScheduledSequence(request, id: SequenceID(0))
    #expect(
      free.permitted([5, 6, 30, 5], first: nil).drafts == [5, 6] && free.permitted([5], first: nil).allowed.isEmpty)
  }
}
