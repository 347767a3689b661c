import Fabric
import MoEModel

/// What a step may hold.
package struct SchedulerLimits: Sendable {
  /// Tokens one rank feeds in a step.
  package var batchTokens = 512
  /// Sequences in progress at once.
  package var sequences = 256
  /// Rows of logits of one rank in a step, where prompts are scored.
  package var scoredRows = 512
  /// Cache blocks of each rank.
  package var blocksPerRank = 0
  package init() {}
}

/// Decides, on rank 0, what each step holds: first a token of every sequence that is being continued, then as much of
/// the waiting prompts as the budget of their home ranks leaves, oldest first.
///
/// The budget is each rank's, so that several prompts keep all ranks busy with attention, not one after the other.
///
/// A sequence is admitted when one rank's cache has room for all it may grow to, so none is ever thrown out; it goes to
/// the rank with the most room. Decisions never change results, only when they come.
struct Scheduler {
  private struct Entry {
    var id: SequenceID
    var request: GenerationRequest
    var home = Rank(0)
    var blocks = 0
    /// Tokens fed to the model so far.
    var fed = 0
    /// Tokens drawn so far.
    var generated = 0
    var isAdmitted = false
  }

  private let limits: SchedulerLimits
  private var waiting: [Entry] = []
  private var running: [Entry] = []
  private var releases: [SequenceID] = []
  private var freeBlocks: [Int]
  private var loads: [Int]
  /// What each rank may still take of the step being planned.
  private var budgets: [(tokens: Int, scoredRows: Int)]

  init(limits: SchedulerLimits, rankCount: Int) {
    self.limits = limits
    freeBlocks = Array(repeating: limits.blocksPerRank, count: rankCount)
    loads = Array(repeating: 0, count: rankCount)
    budgets = Array(repeating: (0, 0), count: rankCount)
  }

  var hasWork: Bool { !waiting.isEmpty || !running.isEmpty }

  mutating func submit(_ request: GenerationRequest, id: SequenceID) {
    waiting.append(Entry(id: id, request: request))
  }

  mutating func plan() -> StepPlan {
    var plan = StepPlan()
    plan.releases = releases
    releases.removeAll()
    admit(&plan)
    for rank in budgets.indices { budgets[rank] = (limits.batchTokens, limits.scoredRows) }
    for i in running.indices where running[i].generated > 0 {
      let home = running[i].home.index
      guard budgets[home].tokens > 0 else { continue }
      plan.items.append(item(&running[i], count: 1))
      budgets[home].tokens -= 1
    }
    for i in running.indices where running[i].generated == 0 {
      let home = running[i].home.index
      var count = min(running[i].request.prompt.count - running[i].fed, budgets[home].tokens)
      if case .score = running[i].request.task {
        count = min(count, budgets[home].scoredRows)
        budgets[home].scoredRows -= count
      }
      guard count > 0 else { continue }
      plan.items.append(item(&running[i], count: count))
      budgets[home].tokens -= count
    }
    return plan
  }

  private mutating func admit(_ plan: inout StepPlan) {
    while !waiting.isEmpty, running.count < limits.sequences {
      var entry = waiting[0]
      entry.blocks = KeyValueCache.blockCount(tokens: entry.request.capacity)
      let best = freeBlocks.indices.min {
        (loads[$0], -freeBlocks[$0], $0) < (loads[$1], -freeBlocks[$1], $1)
      }
      let home = freeBlocks[best!] >= entry.blocks ? best! : freeBlocks.indices.max { freeBlocks[$0] < freeBlocks[$1] }!
      guard freeBlocks[home] >= entry.blocks else { return }
      waiting.removeFirst()
      entry.home = Rank(home)
      freeBlocks[home] -= entry.blocks
      loads[home] += 1
      var sampling = SamplingParameters()
      var scoring: ScoringOptions?
      switch entry.request.task {
      case .generate(_, let parameters, _): sampling = parameters
      case .score(let options): scoring = options
      }
      plan.admissions.append(
        StepPlan.Admission(
          id: entry.id, home: entry.home, prompt: entry.request.prompt, sampling: sampling, scoring: scoring))
      running.append(entry)
    }
  }

  private func item(_ entry: inout Entry, count: Int) -> StepPlan.Item {
    let start = entry.fed
    entry.fed += count
    var outputs = DecoderBatch.Outputs.none
    switch entry.request.task {
    case .score: outputs = .all
    case .generate: if entry.fed >= entry.request.prompt.count { outputs = .last }
    }
    return StepPlan.Item(id: entry.id, home: entry.home, start: start, count: count, outputs: outputs)
  }

  /// Takes note of a drawn token; the reason to finish, if there is one.
  mutating func drew(_ token: Int32, for id: SequenceID) -> FinishReason? {
    guard let i = running.firstIndex(where: { $0.id == id }),
      case .generate(let limit, _, let stopTokens) = running[i].request.task
    else { return .stop }
    running[i].generated += 1
    let finish: FinishReason? = stopTokens.contains(token) ? .stop : running[i].generated >= limit ? .length : nil
    if finish != nil { end(id) }
    return finish
  }

  /// Whether all of a scored prompt has been fed.
  mutating func scored(_ id: SequenceID) -> Bool {
    guard let entry = running.first(where: { $0.id == id }) else { return true }
    guard entry.fed >= entry.request.prompt.count else { return false }
    end(id)
    return true
  }

  /// Ends a sequence, finished or not.
  mutating func end(_ id: SequenceID) {
    waiting.removeAll { $0.id == id }
    guard let i = running.firstIndex(where: { $0.id == id }) else { return }
    freeBlocks[running[i].home.index] += running[i].blocks
    loads[running[i].home.index] -= 1
    releases.append(id)
    running.remove(at: i)
  }
}
