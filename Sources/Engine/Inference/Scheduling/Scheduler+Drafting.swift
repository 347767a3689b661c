import Fabric
import MoEModel
import Telemetry

extension Scheduler {
  /// Drafts for the sequences that the plan continues, and says what may be sampled from each of their rows.
  ///
  /// Drafts get what no sequence needs: half of the rows that a home has left (prompts get the rest), as many rows of
  /// logits as scoring would, cache blocks beyond one for each sequence there, and where layers keep recurrent states
  /// those that are spare.
  mutating func draft(_ drafter: Drafter, for continued: [Int], _ plan: inout StepPlan) {
    let room = keepsStates ? min(limits.scoredRows, limits.draftedStates) : limits.scoredRows
    var rows = plan.rowsByRank(size: pools.count).map { min((limits.batchTokens - $0) / 2, room) }
    for (item, i) in continued.enumerated() {
      let home = running[i].home.index
      let most = min(drafter.limit, rows[home], running[i].tokensLeft - 1)
      let first = running[i].request.constraint?.allowed
      // A guess that may not come is none.
      let guess = running[i].prediction.flatMap { first?.contains(Int($0)) ?? true ? $0 : nil }
      let wanted = drafter.drafts(
        after: running[i].tokens, prediction: guess, further: running[i].predictions.dropFirst(), atMost: most)
      var (drafts, allowed) = running[i].permitted(wanted, first: first)
      makeRoom(for: &drafts, of: i, &plan)
      rows[home] -= drafts.count
      plan.items[item].append(drafts: drafts)
      for allowed in allowed.prefix(1 + drafts.count) {
        plan.masks.append(StepPlan.Mask(item: item, allowed: allowed))
      }
    }
  }

  /// Has the prediction module read the plan's rows, or notes what it misses.
  mutating func readAhead(_ drafting: Drafting, _ plan: inout StepPlan) {
    // Without rows there is nothing to predict from.
    plan.predicts = !plan.items.isEmpty && (drafting.isOn || drafting.readsPrompts && plan.kind == .prefill)
    guard !plan.predicts else { return }
    for item in plan.items {
      guard let i = place(of: item.id) else { continue }
      running[i].missedCount += item.count - item.drafts.count
    }
  }

  /// Gives a sequence the blocks for its drafts, or cuts them to the room there is.
  private mutating func makeRoom(for drafts: inout [Int32], of index: Int, _ plan: inout StepPlan) {
    let (id, home) = (running[index].id, running[index].home.index)
    while KeyValueCache.blockCount(tokens: running[index].tokens.count + drafts.count) > running[index].blocks.count {
      // Each sequence may need a block in the next step.
      guard pools[home].availableCount > loads[home], let block = pools[home].take() else {
        let room = running[index].blocks.count * KeyValueCache.blockTokens - running[index].tokens.count
        drafts = Array(drafts.prefix(max(0, room)))
        return
      }
      running[index].blocks.append(block)
      plan.growths.append(StepPlan.Growth(id: id, block: block))
    }
  }
}

extension ScheduledSequence {
  /// Tokens that may still be sampled.
  var tokensLeft: Int {
    guard case .generate(let limit, _, _) = request.task else { return 0 }
    return limit - generated
  }

  /// Of tokens that may follow, those up to the first after which nothing would be sampled or that may not come; and
  /// where something restricts what is sampled, what may come after the last token, which is `first`, and after each of
  /// them.
  func permitted(_ wanted: [Int32], first: AllowedTokens?) -> (drafts: [Int32], allowed: [AllowedTokens]) {
    guard case .generate(_, _, let stopTokens) = request.task else { return ([], []) }
    let drafts = Array(wanted.prefix { !stopTokens.contains($0) })
    guard let first else { return (drafts, []) }
    var (kept, allowed): ([Int32], [AllowedTokens]) = ([], [first])
    guard !drafts.isEmpty, let ahead = request.constraint?.copy() else { return (kept, allowed) }
    for draft in drafts {
      guard allowed[kept.count].contains(Int(draft)), ahead.advance(draft) == .open else { break }
      kept.append(draft)
      allowed.append(ahead.allowed)
    }
    return (kept, allowed)
  }
}
