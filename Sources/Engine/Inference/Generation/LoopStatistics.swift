import Telemetry

/// Totals over the steps of a run.
package struct LoopStatistics: Sendable {
  /// What one step cost.
  struct Cost {
    var time: Duration = .zero
    var communication: Duration = .zero
    var bytesSent = 0
    var messagesSent = 0
    var expertsVisited = 0
    /// Drafts that were not what was sampled.
    var rejected = 0
    var busiest = BusiestRank()
  }

  package struct Totals: Sendable {
    package var steps = 0
    /// Tokens fed, but for drafts that were wrong: of decode steps, the tokens sampled.
    package var tokens = 0
    /// Wall time, as rank 0 saw it.
    package var time: Duration = .zero
    /// Time in which rank 0 only communicated; none where it was not recorded.
    package var communication: Duration = .zero
    /// Sent in expert layers, by all ranks together.
    package var bytesSent = 0
    package var messagesSent = 0
    /// Distinct experts run, over layers, steps and ranks.
    package var expertsVisited = 0
    /// What the rank with most to do had over the mean.
    package var busiest = BusiestRank()
    /// Ranks that had tokens, over steps: each reads the weights that are everywhere.
    package var activeRanks = 0

    /// Share of the time in which rank 0 only communicated.
    package var communicationShare: Double { time > .zero ? communication / time : 0 }
    package var tokensPerSecond: Double { time > .zero ? Double(tokens) / (time / .seconds(1)) : 0 }

    fileprivate func since(_ earlier: Totals) -> Totals {
      var difference = self
      difference.steps -= earlier.steps
      difference.tokens -= earlier.tokens
      difference.time -= earlier.time
      difference.communication -= earlier.communication
      difference.bytesSent -= earlier.bytesSent
      difference.messagesSent -= earlier.messagesSent
      difference.expertsVisited -= earlier.expertsVisited
      difference.activeRanks -= earlier.activeRanks
      difference.busiest -= earlier.busiest
      return difference
    }
  }

  /// Steps in which some prompt was read.
  package private(set) var prefill = Totals()
  /// Steps that only continued sequences.
  package private(set) var decode = Totals()
  /// What drafts came to, where steps draft.
  package var speculation = SpeculationStatistics()

  package var bytesSent: Int { prefill.bytesSent + decode.bytesSent }
  package var messagesSent: Int { prefill.messagesSent + decode.messagesSent }
  /// Of steps of both kinds.
  package var busiest: BusiestRank {
    var sum = prefill.busiest
    sum += decode.busiest
    return sum
  }

  /// What was counted since `earlier`.
  package func since(_ earlier: LoopStatistics) -> LoopStatistics {
    var difference = LoopStatistics()
    difference.prefill = prefill.since(earlier.prefill)
    difference.decode = decode.since(earlier.decode)
    difference.speculation = speculation.since(earlier.speculation)
    return difference
  }

  mutating func count(_ plan: StepPlan, ranks: Int, _ cost: Cost) {
    switch plan.kind {
    case .prefill: Self.add(plan, ranks, cost, to: &prefill)
    case .decode: Self.add(plan, ranks, cost, to: &decode)
    }
  }

  private static func add(_ plan: StepPlan, _ ranks: Int, _ cost: Cost, to totals: inout Totals) {
    let rows = plan.rowsByRank(size: ranks)
    totals.steps += 1
    totals.tokens += rows.reduce(0, +) - cost.rejected
    totals.activeRanks += rows.count { $0 > 0 }
    totals.time += cost.time
    totals.communication += cost.communication
    totals.bytesSent += cost.bytesSent
    totals.messagesSent += cost.messagesSent
    totals.expertsVisited += cost.expertsVisited
    totals.busiest += cost.busiest
  }
}
