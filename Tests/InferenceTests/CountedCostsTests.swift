import EngineAPI
import Fabric
import ForwardingCommunicator
import Foundation
import JSON
import MoEModel
import Telemetry
import Testing

@testable import Inference

/// What steps of the demonstration model send, against `benchmarks/thresholds.json`: counts are the same on every
/// machine, so that a change that makes messages longer or more is seen where no clock would tell.
struct CountedCostsTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  private static let file = root.appending(path: "benchmarks/thresholds.json")
  private static let model = root.appending(path: "Sources/Model/DemoModel/demo-model").path

  /// Three prompts of twelve tokens read in one step, and eight steps that continue them.
  private func counts(ranks: Int) throws -> JSONObject {
    let found = try LocalFabric.run(size: ranks) { base -> (AccountOfRun?, [Counts]) in
      let communicator = CountingCommunicator(base)
      var options = SessionOptions()
      options.threadsPerRank = 1
      options.cacheTokens = 512
      let session = try GenerationSession(model: Self.model, options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        return (nil, communicator.steps)
      }
      let loop = session.makeLoop()
      for sequence in 0..<3 {
        let prompt = (0..<12).map { Int32(3 + (sequence * 131 + $0 * 37) % (session.description.vocabularySize - 3)) }
        _ = try loop.submit(
          GenerationRequest(prompt: prompt, task: .generate(maxNewTokens: 9, sampling: .init(), stopTokens: [])))
      }
      while loop.hasWork { _ = try loop.step() }
      let steps = communicator.steps
      let account = try loop.collectAccounts()
      try loop.stop()
      return (account, steps)
    }
    guard let account = found[0].0 else { return JSONObject() }
    var object = JSONObject()
    for kind in StepKind.allCases {
      let sent = account.ranks.reduce(into: Traffic()) { sum, rank in
        for one in rank.kinds[kind.rawValue].sent { sum += one }
      }
      // The first step reads the prompts.
      let steps = found.flatMap { rank in kind == .prefill ? rank.1.prefix(1) : rank.1.dropFirst().prefix(8) }
      object[kind.name] = .object(
        JSONObject([
          ("steps", .int(account.ranks[0].kinds[kind.rawValue].steps)),
          ("dispatch_payload_bytes", .int(sent.dispatchPayload)),
          ("dispatch_metadata_bytes", .int(sent.dispatchMetadata)),
          ("combine_payload_bytes", .int(sent.combinePayload)),
          ("combine_metadata_bytes", .int(sent.combineMetadata)), ("messages", .int(sent.messages)),
          ("plan_bytes", .int(steps.reduce(0) { $0 + $1.plan })),
          ("outcome_bytes", .int(steps.reduce(0) { $0 + $1.outcome })),
          ("outcome_messages", .int(steps.reduce(0) { $0 + $1.outcomes })),
        ]))
    }
    return object
  }

  @Test(arguments: [1, 2, 3])
  func stepsSendNoMoreThanTheThresholdsSay(ranks: Int) throws {
    let thresholds = try JSONValue(parsing: Array(Data(contentsOf: Self.file)))
    let found = JSONValue.object(try counts(ranks: ranks))
    for kind in StepKind.allCases {
      let limits = try #require(
        thresholds["ranks"]?["\(ranks)"]?[kind.name]?.object, "no thresholds for \(ranks) ranks")
      for (name, limit) in limits.members {
        let (count, limit) = (try #require(found[kind.name]?[name]?.exactInt), try #require(limit.exactInt))
        #expect(count <= limit, "\(kind.name) on \(ranks) ranks: \(name) has grown from \(limit) to \(count)")
        #expect(
          count >= limit,
          """
          \(kind.name) on \(ranks) ranks: \(name) has fallen from \(limit) to \(count); write that into \
          \(Self.file.lastPathComponent), so that it stays there. All of them: \(found.text())
          """
        )
      }
    }
  }
}

/// What a rank sent in one step outside of its expert layers.
private struct Counts: Sendable {
  var plan = 0
  var outcome = 0
  var outcomes = 0
}

/// Counts plans and outcomes by step, which begins with a broadcast.
private final class CountingCommunicator: ForwardingCommunicator {
  let base: any Communicator
  private(set) var steps: [Counts] = []

  init(_ base: any Communicator) { self.base = base }

  func broadcast(_ bytes: inout [UInt8], from root: Rank, limit: Int) throws(FabricError) {
    try base.broadcast(&bytes, from: root, limit: limit)
    steps.append(Counts(plan: rank == root ? bytes.count * (size - 1) : 0))
  }

  func startSend(_ bytes: UnsafeRawBufferPointer, to peer: Rank, tag: MessageTag) throws(FabricError) -> PendingRequest
  {
    if tag == MessageTag(4), !steps.isEmpty {
      steps[steps.count - 1].outcome += bytes.count
      steps[steps.count - 1].outcomes += 1
    }
    return try base.startSend(bytes, to: peer, tag: tag)
  }
}
