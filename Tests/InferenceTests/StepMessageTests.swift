import Bytes
import EngineAPI
import Fabric
import MoEModel
import Telemetry
import TestSupport
import Testing

@testable import Inference

/// What rank 0 and the others tell each other: read as written, and refused, never a trap, when damaged.
struct StepMessageTests {
  private var plan: StepPlan {
    var sampling = SamplingParameters()
    sampling.temperature = 0.7
    sampling.topK = 40
    sampling.topP = 0.9
    sampling.minP = 0.05
    sampling.repetitionPenalty = 1.1
    sampling.presencePenalty = -1
    sampling.frequencyPenalty = 2
    sampling.seed = 0xfedc_ba98_7654_3210
    var scoring = ScoringOptions()
    scoring.topCount = 5
    scoring.returnsRouting = true
    var plan = StepPlan()
    plan.releases = [SequenceID(3), SequenceID(.max)]
    plan.admissions = [
      .init(
        id: SequenceID(4), home: Rank(2), tokens: [1, 2, .max, 5], promptCount: 3, cachedCount: 2, blocks: [7, 0],
        sampling: sampling,
        details: .init(topLogprobs: 0), bias: [.init(token: 3, amount: -100), .init(token: 9, amount: 0.5)], state: 3,
        source: 1),
      .init(id: SequenceID(5), home: Rank(0), tokens: [], promptCount: 0, cachedCount: 0, blocks: [], scoring: scoring),
      .init(id: SequenceID(8), home: Rank(1), tokens: [3], promptCount: 1, cachedCount: 0, blocks: [2], pooling: .mean),
    ]
    (plan.admissions[0].copied, plan.admissions[2].copied) = (9, .max)
    plan.growths = [.init(id: SequenceID(6), block: 12), .init(id: SequenceID(4), block: 3)]
    plan.items = [
      .init(id: SequenceID(4), home: Rank(2), start: 0, count: 3, outputs: .last),
      .init(id: SequenceID(5), home: Rank(0), start: 1 << 25, count: 1 << 24, outputs: .all),
      .init(id: SequenceID(6), home: Rank(1), start: 7, count: 1, outputs: .none),
      .init(id: SequenceID(7), home: Rank(1), start: 7, count: 1, outputs: .last),
      .init(id: SequenceID(8), home: Rank(1), start: 0, count: 1, outputs: .allStates),
      .init(id: SequenceID(9), home: Rank(1), start: 0, count: 1, outputs: .lastState),
    ]
    plan.masks = [
      .init(item: 0, allowed: AllowedTokens(words: [5, .max])),
      .init(item: 3, allowed: AllowedTokens(words: [0, 1 << 63])),
    ]
    plan.snapshots = [
      .init(item: 0, position: 2, slot: 4), .init(item: 0, position: 3, slot: 5), .init(item: 2, position: 8, slot: 0),
    ]
    return plan
  }

  private var outcome: StepOutcome {
    var outcome = StepOutcome()
    outcome.interrupted = true
    let chunk = ScoredChunk(
      firstPosition: 9, count: 2, nextLogprobs: [-0.5, .nan],
      top: [
        [.init(token: 1, logprob: -1), .init(token: 2, logprob: -2)],
        [.init(token: 3, logprob: -3), .init(token: 4, logprob: -4)],
      ],
      logits: [1, 2, 3, 4], routing: [.init(layer: 1, experts: [0, 5, 1, 6], weights: [0.5, 0.5, 0.25, 0.75])])
    let bare = ScoredChunk(
      firstPosition: 0, count: 3, nextLogprobs: [1, 2, 3], top: [[], [], []], logits: [], routing: [])
    let drawn = SampledToken(
      5, logprob: -0.25, top: [.init(token: 5, logprob: -0.25), .init(token: 6, logprob: -.infinity)])
    outcome.results = [
      .token(.init(7)), .scored(chunk), .nothing, .scored(bare), .token(drawn), .failed("not finite"),
      .token(.init(-1)), .embedding([0.5, -3, .pi]),
    ]
    return outcome
  }

  @Test func plansAreReadAsWritten() throws {
    #expect(try StepPlan(decoding: plan.encoded(), size: 3) == plan)
    #expect(try StepPlan(decoding: StepPlan().encoded(), size: 1) == StepPlan())
    #expect(plan.rowsByRank(size: 3) == [1 << 24, 4, 3])
  }

  @Test func aSnapshotOutsideOfItsItemIsRefused() throws {
    for (item, position) in [(0, 0), (0, 4), (6, 1), (-1, 1), (2, 7), (2, 9)] {
      var plan = plan
      plan.snapshots = [.init(item: item, position: position, slot: 0)]
      #expect(throws: InferenceError.self) { try StepPlan(decoding: plan.encoded(), size: 3) }
    }
    var twice = plan
    twice.snapshots.append(twice.snapshots[2])
    let refused = twice
    #expect(throws: InferenceError.self) { try StepPlan(decoding: refused.encoded(), size: 3) }
  }

  /// A new parameter needs no line here.
  @Test func everySamplingParameterReachesTheRanks() throws {
    for parameter in SamplingParameter.all {
      var sampling = SamplingParameters()
      parameter.set(parameter.isCount ? 3 : parameter.range.upperBound / 8, in: &sampling)
      var plan = StepPlan()
      plan.admissions = [
        .init(
          id: SequenceID(1), home: Rank(0), tokens: [1], promptCount: 1, cachedCount: 0, blocks: [0], sampling: sampling
        )
      ]
      let read = try StepPlan(decoding: plan.encoded(), size: 1)
      #expect(read == plan && read.admissions[0].sampling != SamplingParameters(), "\(parameter.name)")
    }
  }

  @Test func outcomesAreReadAsWritten() throws {
    let bytes = outcome.encoded()
    let read = try StepOutcome(decoding: bytes, from: Rank(1), itemCount: 8)
    #expect(read.encoded() == bytes)
    #expect(read.interrupted && read.results.count == 8)
    guard case .scored(let chunk) = read.results[1] else { throw InferenceError.interrupted }
    #expect(chunk.firstPosition == 9 && chunk.logits == [1, 2, 3, 4] && chunk.top[1][1].token == 4)
    #expect(chunk.nextLogprobs[1].isNaN && chunk.routing[0].experts == [0, 5, 1, 6])
  }

  @Test(arguments: [0, 1, 3, 64, 100, 126, 127, 128])
  func aSetOfTokensTakesItsShortestFormAndIsReadAsWritten(count: Int) throws {
    var words: [UInt64] = [0, 0]
    for id in 0..<count { words[id >> 6] |= 1 << UInt64(id & 63) }
    let set = AllowedTokens(words: words)
    var writer = ByteWriter()
    set.write(to: &writer)
    #expect(writer.bytes.count == 5 + min(16, 4 + 4 * min(count, 128 - count)))
    var reader = ByteReader(writer.bytes)
    #expect(try AllowedTokens(from: &reader) == set && reader.isAtEnd)
    for length in writer.bytes.indices {
      var reader = ByteReader(Array(writer.bytes.prefix(length)))
      #expect(throws: TruncatedMessage.self) { try AllowedTokens(from: &reader) }
    }
    #expect((-1..<130).allSatisfy { set.contains($0) == (0..<count).contains($0) })
  }

  @Test func messagesCutOrLengthenedAnywhereAreRefused() {
    let (plan, outcome) = (plan.encoded(), outcome.encoded())
    for count in plan.indices {
      #expect(throws: InferenceError.self) { try StepPlan(decoding: Array(plan.prefix(count)), size: 3) }
    }
    for count in outcome.indices {
      #expect(throws: InferenceError.self) {
        try StepOutcome(decoding: Array(outcome.prefix(count)), from: Rank(1), itemCount: 8)
      }
    }
    #expect(throws: InferenceError.self) { try StepPlan(decoding: plan + [0], size: 3) }
    #expect(throws: InferenceError.self) { try StepOutcome(decoding: outcome + [0], from: Rank(1), itemCount: 8) }
    for count in [0, 7, 9, 1 << 30] {
      #expect(throws: InferenceError.self) { try StepOutcome(decoding: outcome, from: Rank(1), itemCount: count) }
    }
  }

  @Test func plansWithImpossibleNumbersAreRefused() {
    for size in [1, 2] { #expect(throws: InferenceError.self) { try StepPlan(decoding: plan.encoded(), size: size) } }
    let changes: [(inout StepPlan) -> Void] = [
      { $0.items[0].start = -1 }, { $0.items[0].count = 0 }, { $0.items[0].count = -1 },
      { $0.items[0].count = 1 << 25 },
      { $0.masks[0].item = 4 }, { $0.masks[0].item = -1 }, { $0.masks[0].item = 1 },
      { $0.admissions[0].promptCount = 5 },
      { $0.admissions[0].cachedCount = -1 }, { $0.items[0].home = Rank(-1) }, { $0.admissions[0].home = Rank(-1) },
      { $0.admissions[0].home = Rank(3) },
    ]
    for change in changes {
      var plan = plan
      change(&plan)
      #expect(throws: InferenceError.self) { try StepPlan(decoding: plan.encoded(), size: 3) }
    }
  }

  /// A step that drafts: of its items the first three are sampled from, the third without drafts.
  private var speculation: StepPlan {
    var plan = StepPlan()
    plan.items = [
      .init(id: SequenceID(1), home: Rank(0), start: 9, count: 4, outputs: .all, drafts: [5, .max, 0]),
      .init(id: SequenceID(2), home: Rank(1), start: 3, count: 2, outputs: .all, drafts: [7]),
      .init(id: SequenceID(3), home: Rank(1), start: 3, count: 1, outputs: .last),
    ]
    let set = AllowedTokens(words: [5, .max])
    plan.masks = [.init(item: 1, allowed: set), .init(item: 1, allowed: set), .init(item: 2, allowed: set)]
    plan.predicts = true
    return plan
  }

  @Test func draftsAreReadAsWritten() throws {
    let plan = speculation
    #expect(try StepPlan(decoding: plan.encoded(), size: 2) == plan)
    #expect(plan.kind == .decode && plan.draftCount == 4 && plan.rowsByRank(size: 2) == [4, 3])
    for count in plan.encoded().indices {
      #expect(throws: InferenceError.self) { try StepPlan(decoding: Array(plan.encoded().prefix(count)), size: 2) }
    }
    var outcome = StepOutcome()
    let told = SampledToken(8, logprob: -0.5, top: [.init(token: 8, logprob: -0.5)])
    outcome.results = [.run([.init(5), told, .init(3)]), .run([told]), .token(.init(4))]
    outcome.predictions = [7, -1, 300]
    let bytes = outcome.encoded()
    let read = try StepOutcome(decoding: bytes, from: Rank(1), itemCount: 3)
    #expect(read.encoded() == bytes && read.predictions == [7, -1, 300])
    guard case .run(let tokens) = read.results[0] else { throw InferenceError.interrupted }
    #expect(tokens == [SampledToken(5), told, SampledToken(3)])
    for count in bytes.indices {
      #expect(throws: InferenceError.self) {
        try StepOutcome(decoding: Array(bytes.prefix(count)), from: Rank(1), itemCount: 3)
      }
    }
    for count in [2, 4] {
      #expect(throws: InferenceError.self) { try StepOutcome(decoding: bytes, from: Rank(1), itemCount: count) }
    }
  }

  @Test func blocksOfGuessesAreReadAsWritten() throws {
    var outcome = StepOutcome()
    outcome.results = [.token(.init(5)), .nothing]
    (outcome.predictions, outcome.predictionWidth) = ([7, 300, -1, -1, -1, -1], 3)
    let bytes = outcome.encoded()
    let read = try StepOutcome(decoding: bytes, from: Rank(1), itemCount: 2)
    #expect(read.encoded() == bytes && read.predictionWidth == 3)
    #expect(Array(read.predictions(ofItem: 0)) == [7, 300, -1] && Array(read.predictions(ofItem: 1)) == [-1, -1, -1])
    #expect(StepOutcome().predictions(ofItem: 3).isEmpty)
    for count in bytes.indices {
      #expect(throws: InferenceError.self) {
        try StepOutcome(decoding: Array(bytes.prefix(count)), from: Rank(1), itemCount: 2)
      }
    }
    // A width of one or none is no block's.
    for width in [UInt8(0), 1] {
      var changed = bytes
      changed[1] = width
      #expect(throws: InferenceError.self) { try StepOutcome(decoding: changed, from: Rank(1), itemCount: 2) }
    }
  }

  /// Nothing is written for what a step does not do.
  @Test func stepsWithoutDraftsCostNoByte() {
    var plan = speculation
    let bytes = plan.encoded().count
    plan.predicts = false
    #expect(plan.encoded().count == bytes)
    plan.items[1] = .init(id: SequenceID(2), home: Rank(1), start: 3, count: 1, outputs: .last)
    #expect(plan.encoded().count == bytes - 8)
  }

  @Test func impossibleDraftsAreRefused() {
    let changes: [(inout StepPlan) -> Void] = [
      { $0.items[0].count = 3 }, { $0.items[0].count = 5 }, { $0.items[0].outputs = .last },
      { $0.items[0].start = 0 }, { $0.items[1].outputs = .allStates }, { $0.masks[0].item = 0 },
      { $0.masks.removeFirst() }, { $0.masks.removeLast(2) }, { $0.masks.append($0.masks[2]) },
      { $0.masks.insert($0.masks[2], at: 0) }, { $0.masks.append($0.masks[0]) },
    ]
    for (i, change) in changes.enumerated() {
      var plan = speculation
      change(&plan)
      #expect(throws: InferenceError.self, "change \(i)") { try StepPlan(decoding: plan.encoded(), size: 2) }
    }
    var whole = speculation
    whole.masks.removeFirst(2)
    #expect(throws: Never.self) { try StepPlan(decoding: whole.encoded(), size: 2) }
  }

  @Test func damagedMessagesAreRefusedOrReadButNeverTrap() throws {
    let messages = (plan.encoded(), outcome.encoded())
    var generator = SeededGenerator(1)
    var accepted = 0
    for byte in 0..<max(messages.0.count, messages.1.count) {
      for value in [0, 1, 2, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &generator)] as [UInt8] {
        for width in [1, 4] {
          var (plan, outcome) = messages
          for at in byte..<(byte + width) {
            if plan.indices.contains(at) { plan[at] = value }
            if outcome.indices.contains(at) { outcome[at] = value }
          }
          if let read = try? StepPlan(decoding: plan, size: 3) {
            accepted += 1
            #expect(read.items.allSatisfy { (0..<3).contains($0.home.index) && $0.start >= 0 && $0.count > 0 })
          }
          if (try? StepOutcome(decoding: outcome, from: Rank(1), itemCount: 8)) != nil { accepted += 1 }
        }
      }
    }
    #expect(accepted > 0)
  }

  @Test func aRanksFailureIsThrownWithItsName() {
    let bytes = StepOutcome.failure("the disk is on fire")
    #expect(throws: InferenceError.rankFailed(Rank(3), "the disk is on fire")) {
      try StepOutcome(decoding: bytes, from: Rank(3), itemCount: 9)
    }
    for count in bytes.indices {
      #expect(throws: InferenceError.self) {
        try StepOutcome(decoding: Array(bytes.prefix(count)), from: Rank(3), itemCount: 0)
      }
    }
  }
}
