import EngineAPI
import Fabric
import MoEModel

/// Decides, on rank 0, what each step holds: first a token of every sequence that is being continued, then as much of
/// the prompts as the budget of their home ranks leaves.
///
/// The budget is each rank's, so that several prompts keep all ranks busy with attention, not one after the other.
/// Decisions never change results, only when they come.
struct Scheduler {
  let limits: SchedulerLimits
  var waiting = SequenceQueue()
  /// In the order of their admission.
  var running: [ScheduledSequence] = []
  var releases: [SequenceID] = []
  /// By rank.
  var pools: [BlockPool]
  var loads: [Int]
  var counts = Counts()
  /// The place in `running` that was asked for last.
  private var lastPlace = 0

  /// Totals since the start.
  struct Counts {
    var admitted = 0
    var preempted = 0
    var finished = 0
    /// Tokens of prompts admitted, and those of them that were in the cache.
    var promptTokens = 0
    var cachedTokens = 0
    /// Tokens of prompts that were fed, again after a sequence was thrown out.
    var promptRows = 0
    var sampled = 0
  }

  init(limits: SchedulerLimits, rankCount: Int) {
    self.limits = limits
    pools = Array(
      repeating: BlockPool(blockCount: limits.blocksPerRank, stateCount: limits.statesPerRank), count: rankCount)
    loads = Array(repeating: 0, count: rankCount)
  }

  var hasWork: Bool { !waiting.isEmpty || !running.isEmpty }

  mutating func submit(_ request: GenerationRequest, id: SequenceID) {
    waiting.append(ScheduledSequence(request, id: id))
  }

  /// Sequences that the next step continues, unless they must make room.
  var continuedCount: Int { running.count(where: \.isContinuing) }

  /// Whether the prediction module has read nearly all of the sequences that the next step continues.
  var isReadByModule: Bool {
    let continued = running.filter(\.isContinuing)
    return continued.reduce(0) { $0 + $1.missedCount } * 8 <= continued.reduce(0) { $0 + $1.fed }
  }

  /// With drafts for the sequences that are continued, where something drafts.
  mutating func plan(_ drafting: Drafting? = nil) -> StepPlan {
    var plan = StepPlan()
    keepFullBlocks()
    let continued = continueSequences(&plan)
    if let drafting, drafting.isOn {
      draft(drafting.drafter, for: continued, &plan)
    } else {
      mask(continued, &plan)
    }
    admitSequences(&plan)
    readPrompts(&plan)
    if let drafting, drafting.drafter.predicts { readAhead(drafting, &plan) }
    // Those thrown out on the way among them.
    plan.releases = releases
    releases.removeAll()
    return plan
  }

  /// Lets others find what the steps so far have put into the cache.
  private mutating func keepFullBlocks() {
    guard limits.keepsPrefixes else { return }
    let size = KeyValueCache.blockTokens
    for i in running.indices where !running[i].isScored {
      while (running[i].keptCount + 1) * size <= running[i].fed {
        let at = running[i].keptCount
        let block = pools[running[i].home.index].keep(
          running[i].blocks[at], parent: running[i].lastKept, tokens: running[i].tokens[(at * size)..<((at + 1) * size)]
        )
        if block != running[i].blocks[at] { running[i].twins.append(block) }
        keepSnapshot(i, at: at, as: block)
        running[i].lastKept = block
        running[i].keptCount += 1
      }
    }
  }

  /// Forgets what the caches hold of earlier sequences, which other weights would not give. There must be no running
  /// ones.
  mutating func forgetPrefixes() {
    for rank in pools.indices { pools[rank].forget() }
  }

  /// Takes note of a sampled token; the reason to finish, if there is one. `accepting`: so many drafts of the sequence
  /// were right, the token and what follows it: they are in the cache already.
  mutating func append(_ token: Int32, for id: SequenceID, accepting drafts: Int = 0) -> FinishReason? {
    guard let i = place(of: id), case .generate(let limit, _, let stopTokens) = running[i].request.task
    else { return .stop }
    running[i].fed += drafts
    running[i].generated += 1
    running[i].tokens.append(token)
    counts.sampled += 1
    var finish: FinishReason? = stopTokens.contains(token) ? .stop : running[i].generated >= limit ? .length : nil
    if let constraint = running[i].request.constraint, finish != .stop, constraint.advance(token) == .complete {
      finish = .stop
    }
    if finish != nil { end(id) }
    return finish
  }

  /// Takes note of what the prediction module guesses after the last token sampled; nothing where it was not asked.
  mutating func predicted(_ tokens: ArraySlice<Int32>, for id: SequenceID) {
    guard let i = place(of: id) else { return }
    running[i].predictions.removeAll(keepingCapacity: true)
    running[i].predictions.append(contentsOf: tokens)
  }

  /// Whether all of a scored prompt has been fed.
  mutating func scored(_ id: SequenceID) -> Bool {
    guard let i = place(of: id) else { return true }
    guard running[i].remaining == 0 else { return false }
    end(id)
    return true
  }

  /// Ends a sequence, finished or not.
  mutating func end(_ id: SequenceID) {
    if let i = place(of: id) {
      _ = withdraw(i)
    } else if !waiting.remove(id) {
      return
    }
    counts.finished += 1
  }

  /// A sequence's place in `running`; nil where it is not there. A step's outcome is told in the order of its plan,
  /// which is theirs, so that the next place asked for is the last one or soon after it.
  mutating func place(of id: SequenceID) -> Int? {
    for i in min(lastPlace, running.count)..<running.count where running[i].id == id {
      lastPlace = i
      return i
    }
    for i in 0..<min(lastPlace, running.count) where running[i].id == id {
      lastPlace = i
      return i
    }
    return nil
  }

  /// Takes a sequence out of the run and frees its place; what is in the cache may stay there for others.
  private mutating func withdraw(_ index: Int) -> ScheduledSequence {
    let sequence = running.remove(at: index)
    let home = sequence.home.index
    pools[home].release(sequence.blocks)
    pools[home].release(sequence.twins)
    releaseStates(of: sequence)
    loads[home] -= 1
    releases.append(sequence.id)
    return sequence
  }

  /// Throws out the sequence of `home` that was admitted last, to be read again when there is room. False when that is
  /// `id` itself.
  mutating func preemptYoungest(of home: Rank, for id: SequenceID) -> Bool {
    guard let i = running.lastIndex(where: { $0.home == home }) else { return false }
    let isSame = running[i].id == id
    var sequence = withdraw(i)
    (sequence.fed, sequence.predictions, sequence.missedCount) = (0, [], 0)
    (sequence.blocks, sequence.twins, sequence.keptCount, sequence.lastKept) = ([], [], 0, BlockPool.none)
    sequence.states = ScheduledSequence.States()
    sequence.isResumed = true
    waiting.putFirst(sequence)
    counts.preempted += 1
    return !isSame
  }

  mutating func count(_ sequence: ScheduledSequence, cachedTokens: Int) {
    guard !sequence.isResumed else { return }
    counts.admitted += 1
    counts.promptTokens += sequence.promptCount
    counts.cachedTokens += min(cachedTokens, sequence.promptCount)
  }
}
