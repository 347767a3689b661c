import EngineAPI
import Fabric
import Kernels
import Machine
import Testing

@testable import Inference

/// Bias and constraints: what may be drawn, on any rank.
struct ConstraintTests {
  /// Allows multiples of a number, and ends after some of them.
  private final class Multiples: TokenConstraint, @unchecked Sendable {
    let factor: Int
    var left: Int
    init(_ factor: Int, count: Int) { (self.factor, left) = (factor, count) }

    var allowed: AllowedTokens {
      var words = [UInt64](repeating: 0, count: 8)
      for id in stride(from: 0, to: 512, by: factor) { words[id >> 6] |= 1 << UInt64(id & 63) }
      return AllowedTokens(words: words)
    }
    func advance(_ token: Int32) -> ConstraintProgress {
      left -= 1
      return left > 0 ? .open : .complete
    }
  }

  private func run(_ ranks: Int, _ make: @escaping @Sendable (Int) -> GenerationRequest) throws -> [[Int32]] {
    let folder = try Golden("qwen3_moe").folder
    let results = try LocalFabric.run(size: ranks) { communicator -> [[Int32]]? in
      var options = SessionOptions()
      options.threadsPerRank = 1
      let session = try GenerationSession(model: folder, options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        return nil
      }
      let loop = session.makeLoop()
      let ids = try (0..<3).map { try loop.submit(make($0)) }
      var drawn: [SequenceID: [Int32]] = [:]
      while loop.hasWork {
        for case .token(let id, let token, _) in try loop.step() { drawn[id, default: []].append(token.token) }
      }
      try loop.stop()
      return ids.map { drawn[$0] ?? [] }
    }
    return results[0]!
  }

  @Test(arguments: [0, 1.2] as [Float])
  func onlyWhatAConstraintAllowsIsDrawnAndItEndsTheSequence(temperature: Float) throws {
    let make: @Sendable (Int) -> GenerationRequest = { i in
      var sampling = SamplingParameters()
      (sampling.temperature, sampling.seed) = (temperature, UInt64(i))
      var request = GenerationRequest(
        prompt: [3, 1, 4, 1, 5], task: .generate(maxNewTokens: 40, sampling: sampling, stopTokens: []))
      if i < 2 { request.constraint = Multiples(i == 0 ? 7 : 100, count: 12) }
      return request
    }
    let drawn = try run(1, make)
    #expect(drawn[0].count == 12 && drawn[0].allSatisfy { $0 % 7 == 0 })
    #expect(drawn[1].count == 12 && drawn[1].allSatisfy { $0 % 100 == 0 })
    #expect(drawn[2].count == 40)
    #expect(try run(2, make) == drawn)
  }

  @Test func aBiasForbidsOrForces() throws {
    let plain = try run(1) { _ in
      GenerationRequest(prompt: [3, 1, 4], task: .generate(maxNewTokens: 8, sampling: .init(), stopTokens: []))
    }
    let first = plain[0][0]
    let biased = try run(2) { i in
      var request = GenerationRequest(
        prompt: [3, 1, 4], task: .generate(maxNewTokens: 8, sampling: .init(), stopTokens: []))
      request.logitBias = i == 0 ? [first: -100] : [77: 1000]
      return request
    }
    #expect(!biased[0].contains(first))
    #expect(biased[1] == Array(repeating: 77, count: 8))
  }

  @Test func aConstraintThatAllowsNothingFailsItsSequenceAlone() throws {
    let communicator = LocalCommunicator.solo()
    var options = SessionOptions()
    options.threadsPerRank = 1
    let session = try GenerationSession(
      model: try Golden("qwen3_moe").folder, options: options, communicator: communicator
    ) {
      _ in
    }
    let loop = session.makeLoop()
    var bad = GenerationRequest(prompt: [1], task: .generate(maxNewTokens: 4, sampling: .init(), stopTokens: []))
    let good = bad
    bad.constraint = Multiples(1 << 20, count: 9)
    bad.logitBias = [0: -.infinity]
    let badID = try loop.submit(bad)
    let goodID = try loop.submit(good)
    var reasons: [SequenceID: String] = [:]
    var count = 0
    while loop.hasWork {
      for event in try loop.step() {
        if case .failed(let id, let reason) = event { reasons[id] = reason }
        if case .token(goodID, _, _) = event { count += 1 }
      }
    }
    #expect(reasons.keys.elementsEqual([badID]) && reasons[badID]!.contains("no token may follow"))
    #expect(count == 4)
  }
}
