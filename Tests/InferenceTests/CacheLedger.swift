import EngineAPI
import Fabric
import MoEModel
import Testing

@testable import Inference

/// What the ranks' caches would hold, followed from plan to plan: every position of every block is filled with a digest
/// of the whole sequence up to it, so that a sequence which finds anything but its own past in its blocks is found out.
struct CacheLedger {
  private struct Sequence {
    var home: Rank
    var tokens: [Int32]
    var blocks: [Int32]
    var fed: Int
    var state: Int32
  }

  let limits: SchedulerLimits
  let rankCount: Int
  private var content: [Rank: [Int32: [Int?]]] = [:]
  /// By slot of recurrent states, the digest of what it is the state after; 17 before any token.
  private var states: [Rank: [Int32: Int]] = [:]
  private var sequences: [SequenceID: Sequence] = [:]
  /// The tokens of each rank in the plans so far that were not in a cache.
  private(set) var readTokens = 0
  private(set) var cachedTokens = 0

  init(limits: SchedulerLimits, rankCount: Int) { (self.limits, self.rankCount) = (limits, rankCount) }

  var runningCount: Int { sequences.count }
  func tokens(_ id: SequenceID) -> [Int32] { sequences[id]?.tokens ?? [] }

  private func digests(_ tokens: [Int32]) -> [Int] {
    var hash = 17
    return tokens.map { token in
      hash = (hash &* 1_000_003) ^ Int(token)
      return hash
    }
  }

  mutating func drew(_ token: Int32, _ id: SequenceID) { sequences[id]?.tokens.append(token) }

  /// Carries out a plan and checks what no plan may break.
  mutating func execute(_ plan: StepPlan, task: (SequenceID) -> GenerationRequest.Task) {
    func isScored(_ id: SequenceID) -> Bool { if case .score = task(id) { true } else { false } }
    for id in plan.releases { #expect(sequences.removeValue(forKey: id) != nil, "released twice or never admitted") }
    for admission in plan.admissions {
      #expect((0..<rankCount).contains(admission.home.index))
      #expect(admission.blocks.count == KeyValueCache.blockCount(tokens: admission.tokens.count))
      #expect(
        admission.cachedCount < admission.tokens.count
          && (admission.cachedCount == 0 || !isScored(admission.id) && task(admission.id) != .embed(.mean)))
      let new = Sequence(
        home: admission.home, tokens: admission.tokens, blocks: admission.blocks, fed: admission.cachedCount,
        state: admission.state)
      takeState(admission)
      copyBeginning(admission)
      #expect(sequences.updateValue(new, forKey: admission.id) == nil, "admitted twice")
      cachedTokens += admission.cachedCount
    }
    for growth in plan.growths { sequences[growth.id]?.blocks.append(growth.block) }
    #expect(sequences.count <= limits.sequences)
    for sequence in sequences.values {
      #expect(Set(sequence.blocks).count == sequence.blocks.count)
      #expect(sequence.blocks.allSatisfy { (0..<limits.blocksPerRank).contains(Int($0)) })
    }
    #expect(Set(plan.items.map(\.id)).count == plan.items.count, "a sequence twice in a step")
    for rank in 0..<rankCount {
      let items = plan.items.filter { $0.home.index == rank }
      #expect(items.reduce(0) { $0 + $1.count } <= limits.batchTokens)
      #expect(items.filter { isScored($0.id) }.reduce(0) { $0 + $1.count } <= limits.scoredRows)
    }
    for (i, item) in plan.items.enumerated() {
      recall(item, plan.snapshots.filter { $0.item == i })
      feed(item, task(item.id))
    }
    for item in plan.items { attend(item) }
    checkSlots(plan)
  }

  /// A sequence's block begins as another's, as it is before the step.
  private mutating func copyBeginning(_ admission: StepPlan.Admission) {
    let size = KeyValueCache.blockTokens
    guard admission.copied != BlockPool.none else { return #expect(admission.cachedCount % size == 0) }
    #expect(admission.cachedCount % size > 0 && (0..<limits.blocksPerRank).contains(Int(admission.copied)))
    let own = admission.blocks[admission.cachedCount / size]
    #expect(own != admission.copied)
    content[admission.home, default: [:]][own] = content[admission.home]?[admission.copied]
  }

  /// A sequence begins from the state after what is cached of it, wherever that lies now.
  private mutating func takeState(_ admission: StepPlan.Admission) {
    guard limits.statesPerRank > 0 else { return #expect(admission.state == StateSlots.none) }
    #expect((0..<limits.statesPerRank).contains(Int(admission.state)))
    let digest = admission.cachedCount == 0 ? 17 : digests(admission.tokens)[admission.cachedCount - 1]
    if admission.cachedCount > 0 {
      #expect(states[admission.home]?[admission.source] == digest, "begins from another's state")
    }
    states[admission.home, default: [:]][admission.state] = digest
  }

  /// The item's sequence goes on from its own state, which snapshots are taken of on the way.
  private mutating func recall(_ item: StepPlan.Item, _ snapshots: [StepPlan.Snapshot]) {
    guard limits.statesPerRank > 0, let sequence = sequences[item.id] else { return }
    let digests = [17] + digests(sequence.tokens)
    #expect(states[item.home]?[sequence.state] == digests[item.start], "goes on from another's state")
    for snapshot in snapshots {
      #expect(snapshot.position > item.start && snapshot.position <= item.start + item.count)
      states[item.home, default: [:]][snapshot.slot] = digests[snapshot.position]
    }
    states[item.home, default: [:]][sequence.state] = digests[item.start + item.count]
  }

  /// No slot is for two things in a step.
  private func checkSlots(_ plan: StepPlan) {
    guard limits.statesPerRank > 0 else { return #expect(plan.snapshots.isEmpty) }
    for rank in 0..<rankCount {
      let worked = sequences.values.filter { $0.home.index == rank }.map(\.state)
      let kept = plan.snapshots.filter { plan.items[$0.item].home.index == rank }.map(\.slot)
      #expect(Set(worked + kept).count == worked.count + kept.count, "a slot twice on rank \(rank)")
    }
  }

  private mutating func feed(_ item: StepPlan.Item, _ task: GenerationRequest.Task) {
    guard let sequence = sequences[item.id] else {
      return #expect(Bool(false), "feeds a sequence that nobody admitted")
    }
    let end = item.start + item.count
    #expect(item.home == sequence.home && item.start == sequence.fed && item.count > 0 && end <= sequence.tokens.count)
    let isLast = end == sequence.tokens.count
    switch task {
    case .score: #expect(item.outputs == .all)
    case .embed(.mean): #expect(item.outputs == .allStates)
    case .embed(.last): #expect(item.outputs == (isLast ? .lastState : .none))
    case .generate: #expect(item.outputs == (isLast ? .last : .none))
    }
    let digests = digests(sequence.tokens)
    for position in item.start..<end {
      let block = sequence.blocks[position / KeyValueCache.blockTokens]
      content[item.home, default: [:]][block, default: Array(repeating: nil, count: KeyValueCache.blockTokens)][
        position % KeyValueCache.blockTokens] = digests[position]
    }
    sequences[item.id]?.fed = end
    readTokens += item.count
  }

  /// All the item's past must be where its table says, also after what others wrote in the same step.
  private func attend(_ item: StepPlan.Item) {
    guard let sequence = sequences[item.id] else { return }
    let digests = digests(sequence.tokens)
    let isOwnPast = (0..<(item.start + item.count)).allSatisfy { position in
      content[item.home]?[sequence.blocks[position / KeyValueCache.blockTokens]]?[position % KeyValueCache.blockTokens]
        == digests[position]
    }
    #expect(isOwnPast, "sequence \(item.id.value) finds another's past in its blocks")
  }
}
