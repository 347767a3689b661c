import Fabric
import MoEModel

extension Scheduler {
  /// One token of every sequence that is being continued. One that needs a further block and finds none takes those of
  /// the youngest sequence of its home, down to itself. Returns the places in `running` of those in the plan, in its
  /// order.
  mutating func continueSequences(_ plan: inout StepPlan) -> [Int] {
    var continued: [Int] = []
    var tokens = [Int](repeating: 0, count: pools.count)
    // Oldest first: who is thrown out has no place in the plan yet.
    var i = 0
    while i < running.count {
      let home = running[i].home
      guard running[i].isContinuing, tokens[home.index] < limits.batchTokens else {
        i += 1
        continue
      }
      guard grow(i, &plan) else { continue }
      plan.items.append(running[i].feed(1))
      continued.append(i)
      planSnapshots(i, &plan)
      tokens[home.index] += 1
      i += 1
    }
    return continued
  }

  /// What continued sequences may draw, where something restricts it.
  func mask(_ continued: [Int], _ plan: inout StepPlan) {
    for (item, i) in continued.enumerated() {
      guard let allowed = running[i].request.constraint?.allowed else { continue }
      plan.masks.append(StepPlan.Mask(item: item, allowed: allowed))
    }
  }

  /// Gives sequence `index` the block for its next token, if it needs one; false when it was thrown out itself.
  private mutating func grow(_ index: Int, _ plan: inout StepPlan) -> Bool {
    let (id, home) = (running[index].id, running[index].home)
    guard KeyValueCache.blockCount(tokens: running[index].tokens.count) > running[index].blocks.count else {
      return true
    }
    while true {
      if let block = pools[home.index].take() {
        running[index].blocks.append(block)
        plan.growths.append(StepPlan.Growth(id: id, block: block))
        return true
      }
      guard preemptYoungest(of: home, for: id) else { return false }
    }
  }

  /// As much of the prompts as their homes' budgets leave. Prompts of one home share what is left, so that a short one
  /// need not wait for a long one; what some do not need goes to the oldest.
  mutating func readPrompts(_ plan: inout StepPlan) {
    for rank in pools.indices {
      // Continued sequences that found the budget spent wait for the next step; they are no prompts.
      var budget = limits.batchTokens - plan.items.reduce(0) { $0 + ($1.home.index == rank ? $1.count : 0) }
      var scoredRows = limits.scoredRows
      let prompts = running.indices.filter {
        running[$0].home.index == rank && running[$0].remaining > 0 && !running[$0].isContinuing
      }
      var shares = [Int](repeating: 0, count: prompts.count)
      // First to each its part, then the rest.
      for isRest in [false, true] {
        for (place, i) in prompts.enumerated() where budget > 0 {
          let fair = isRest ? budget : (budget + prompts.count - place - 1) / (prompts.count - place)
          var count = min(running[i].remaining - shares[place], fair)
          if running[i].isScored {
            count = min(count, scoredRows)
            scoredRows -= count
          }
          shares[place] += count
          budget -= count
        }
      }
      for (place, i) in prompts.enumerated() where shares[place] > 0 {
        plan.items.append(running[i].feed(shares[place]))
        planSnapshots(i, &plan)
        guard plan.items[plan.items.count - 1].outputs == .last, let allowed = running[i].request.constraint?.allowed
        else { continue }
        plan.masks.append(StepPlan.Mask(item: plan.items.count - 1, allowed: allowed))
      }
    }
  }

  /// Lets sequences in, oldest first, as long as there is room. None overtakes one that finds no room.
  mutating func admitSequences(_ plan: inout StepPlan) {
    while let sequence = waiting.first, running.count < limits.sequences {
      guard let place = place(sequence) else { return }
      waiting.removeFirst()
      admit(sequence, place, &plan)
    }
  }

  /// Where a sequence may go.
  private struct Place {
    var home: Int
    /// Blocks of its beginning that are there, and after which it can go on.
    var cached: [Int32]
    /// How many are there.
    var known: Int
  }

  /// The home with the most of the sequence in its cache, among those that have room and are not much busier than the
  /// idlest: one sequence more for every 512 tokens that need not be read.
  private func place(_ sequence: ScheduledSequence) -> Place? {
    let needed = KeyValueCache.blockCount(tokens: sequence.tokens.count)
    // At least one token must be fed to draw the next; scores and means are of all.
    let limit = sequence.isReadWhole ? 0 : (sequence.tokens.count - 1) / KeyValueCache.blockTokens
    var best: Place?
    var bestRank = (Int.max, 0)
    for home in pools.indices where !keepsStates || pools[home].states.availableCount > 0 {
      let known = pools[home].prefix(of: sequence.tokens, limit: limit)
      let cached = resumable(known, on: home)
      // Those already there may each need another block soon.
      let rest = pools[home].availableCount - pools[home].idle(among: cached) - (needed - cached.count)
      guard rest >= loads[home] else { continue }
      // Sequences count as the tokens that reading would have to save.
      let order = (loads[home] * 512 - cached.count * KeyValueCache.blockTokens, -rest)
      if order < bestRank { (best, bestRank) = (Place(home: home, cached: cached, known: known.count), order) }
    }
    return best
  }

  private mutating func admit(_ sequence: ScheduledSequence, _ place: Place, _ plan: inout StepPlan) {
    let (home, cached) = (place.home, place.cached)
    var sequence = sequence
    sequence.home = Rank(home)
    sequence.isNew = true
    pools[home].hold(cached)
    sequence.blocks = cached
    (sequence.keptCount, sequence.lastKept) = (cached.count, cached.last ?? BlockPool.none)
    for _ in cached.count..<KeyValueCache.blockCount(tokens: sequence.tokens.count) {
      // `place` has counted them.
      guard let block = pools[home].take() else { break }
      sequence.blocks.append(block)
    }
    sequence.fed = cached.count * KeyValueCache.blockTokens
    admitState(&sequence, known: place.known)
    loads[home] += 1
    count(sequence, cachedTokens: sequence.fed)
    plan.admissions.append(sequence.admission(cachedCount: sequence.fed))
    running.append(sequence)
  }
}
