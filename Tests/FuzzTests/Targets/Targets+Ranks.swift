import Bytes
import EngineAPI
import Fabric
import Foundation
import Kernels
import ModelRuntime
import MoEModel
import TestSupport

@testable import ExpertParallelism
@testable import Inference

extension FuzzTarget {
  static let ranks = [rankCommand, stepPlan, stepOutcome, dispatchMessage]

  private static let binaryPieces = ["\u{0}", "\u{1}", "\u{0}\u{0}\u{0}\u{0}", "\u{7f}\u{7f}\u{7f}\u{7f}", "a"]

  private static let rankCommand = FuzzTarget(
    "rank-command", inputs: 30_000, pieces: binaryPieces,
    seeds: {
      let commands: [RankCommand] = [
        .stop, .alignClocks, .collectAccounts(totalsOnly: true), .recordAccounts(false), .loadModel(path: "/a/b c/ü"),
        .moveExperts([ExpertMove(layer: 1, expert: 3, holders: [Rank(1), Rank(0)])]),
      ]
      return commands.map { command in
        var writer = ByteWriter()
        command.write(to: &writer)
        return writer.bytes
      }
    },
    read: { bytes in
      var reader = ByteReader(bytes)
      _ = try RankCommand(from: &reader)
    })

  private static let stepPlan = FuzzTarget(
    "step-plan", inputs: 30_000, pieces: binaryPieces,
    seeds: {
      var sampling = SamplingParameters()
      (sampling.temperature, sampling.topK, sampling.seed) = (0.7, 40, 0xfedc_ba98)
      var plan = StepPlan()
      plan.releases = [SequenceID(3)]
      plan.admissions = [
        .init(
          id: SequenceID(4), home: Rank(2), tokens: [1, 2, 5], promptCount: 3, cachedCount: 2, blocks: [7, 0],
          sampling: sampling, details: .init(topLogprobs: 2), bias: [.init(token: 3, amount: -100)]),
        .init(
          id: SequenceID(8), home: Rank(1), tokens: [3], promptCount: 1, cachedCount: 0, blocks: [2], pooling: .mean),
      ]
      plan.admissions[0].copied = 5
      plan.growths = [.init(id: SequenceID(6), block: 12)]
      plan.items = [
        .init(id: SequenceID(4), home: Rank(2), start: 0, count: 3, outputs: .last),
        .init(id: SequenceID(8), home: Rank(1), start: 0, count: 1, outputs: .allStates),
      ]
      plan.masks = [.init(item: 0, allowed: AllowedTokens(words: [5, .max]))]
      var drafts = StepPlan()
      drafts.items = [
        .init(id: SequenceID(4), home: Rank(2), start: 5, count: 3, outputs: .all, drafts: [7, 9]),
        .init(id: SequenceID(5), home: Rank(0), start: 5, count: 1, outputs: .last),
      ]
      drafts.masks = (0..<3).map { _ in .init(item: 0, allowed: AllowedTokens(words: [5, .max])) }
      drafts.predicts = true
      return [plan.encoded(), drafts.encoded()]
    },
    read: { bytes in
      let plan = try StepPlan(decoding: bytes, size: 3)
      try hold(
        plan.items.allSatisfy { (0..<3).contains($0.home.index) && $0.start >= 0 && $0.count > 0 }, "\(plan.items)")
      // Bytes, since a parameter that is NaN is not itself.
      let again = try StepPlan(decoding: plan.encoded(), size: 3)
      try hold(again.encoded() == plan.encoded(), "what was written is not what was read")
    })

  private static let stepOutcome = FuzzTarget(
    "step-outcome", inputs: 30_000, pieces: binaryPieces,
    seeds: {
      var outcome = StepOutcome()
      let chunk = ScoredChunk(
        firstPosition: 9, count: 2, nextLogprobs: [-0.5, -1],
        top: [[.init(token: 1, logprob: -1)], [.init(token: 3, logprob: -3)]], logits: [1, 2, 3, 4],
        routing: [.init(layer: 1, experts: [0, 5, 1, 6], weights: [0.5, 0.5, 0.25, 0.75])])
      outcome.results = [
        .token(.init(7)), .scored(chunk), .nothing, .failed("not finite"), .embedding([0.5, -3, .pi]),
      ]
      var runs = StepOutcome()
      runs.results = [
        .run([.init(7), SampledToken(8, logprob: -1)]), .run([.init(1)]), .token(.init(7)), .nothing, .failed(""),
      ]
      runs.predictions = [1, 2, 3, -1, -1]
      var blocks = runs
      (blocks.predictions, blocks.predictionWidth) = ([1, 2, 3, -1, -1, 4, -1, -1, -1, -1], 2)
      return [outcome.encoded(), runs.encoded(), blocks.encoded()]
    },
    read: { _ = try StepOutcome(decoding: $0, from: Rank(1), itemCount: 5) })

  private static let wire = WireFormat(hiddenSize: 3, tokens: .float32)

  /// Messages lie where no memory follows.
  private static let dispatchMessage = FuzzTarget(
    "dispatch-message", inputs: 30_000, pieces: binaryPieces,
    seeds: {
      // Three tokens with the experts 4 and 5, 7, and 4, 6 and 7.
      let visits = [(4, true), (5, false), (7, true), (4, true), (6, false), (7, false)].map { expert, begins in
        Int32(bitPattern: VisitWord(expert: expert, place: 1, beginsSubtree: begins, beginsRow: begins).bits)
      }
      let words: [Int32] = [3, 6, 0, 0, 2, 1, 3] + visits + [Int32](repeating: 0x3f00_0000, count: 6)
      var bytes = words.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
      bytes += [UInt8](repeating: 0, count: wire.dispatchByteCount(tokens: 3, visits: 6) - bytes.count)
      return [bytes]
    },
    read: { bytes in
      let room = 1 << 20
      try hold(bytes.count < room, "the input is longer than the memory for it")
      let memory = guarded
      let base = memory + room - (bytes.count + 3) / 4 * 4
      bytes.withUnsafeBytes { if let source = $0.baseAddress { base.copyMemory(from: source, byteCount: $0.count) } }
      let placement = ExpertPlacement(expertCount: 8, rankCount: 2)
      let message = try DispatchMessage(
        reading: base, byteCount: bytes.count, from: Rank(0), to: [nil, Rank(1)], layer: 5, tokenLimit: 4, wire: wire,
        placement: placement)
      for token in 0..<message.tokenCount { _ = message.row(token).assumingMemoryBound(to: Float.self)[2] }
      for visit in 0..<message.visitCount { _ = message.weights[visit] }
    })

  /// A megabyte before a page that nobody may touch.
  nonisolated(unsafe) private static let guarded: UnsafeMutableRawPointer = {
    let room = 1 << 20
    let memory = mmap(nil, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    mprotect(memory + room, 4096, PROT_NONE)
    return memory
  }()
}
