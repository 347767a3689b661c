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

  /// What tokens may continue sequences, where something restricts it.
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
        let prompt = running[i].promptCount
        counts.promptRows -= min(running[i].fed, prompt)
        plan.items.append(running[i].feed(shares[place]))
        counts.promptRows += min(running[i].fed, prompt)
        planSnapshots(i, &plan)
        guard plan.items[plan.items.count - 1].outputs == .last, let allowed = running[i].request.constraint?.allowed
        else { continue }
        plan.masks.append(StepPlan.Mask(item: plan.items.count - 1, allowed: allowed))
      }
    }
  }
}
