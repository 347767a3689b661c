/// What one rank counted, as it travels to rank 0 and stands in a report.
package struct RankAccount: Sendable, Equatable {
  /// Steps of one kind.
  package struct Kind: Sendable, Equatable {
    package var steps = 0
    package var wall = 0
    /// Nanoseconds `[layer][phase]`; the last layer stands for what is outside of all.
    package var time: [[Int]] = []
    /// The part of `time` before a late rank had sent what was waited for.
    package var late: [[Int]] = []
    /// The same by the rank that was late.
    package var lateByRank: [Int] = []
    package var sent: [Traffic] = []
    /// Tokens that had to reach each host, by the host's lowest rank.
    package var rowsToHost: [Int] = []
    /// By layer.
    package var visits: [Int] = []
    package var distinctExperts: [Int] = []
    /// Pairs of an expert visited and its visits, by layer.
    package var experts: [[[Int]]] = []
    /// The same of what this rank's wrong drafts chose, on whichever rank that was; empty where there were none.
    package var rejected: [[[Int]]] = []

    package init() {}

    package func total(_ phase: Phase) -> Int { time.reduce(0) { $0 + $1[phase.rawValue] } }
    package func totalLate(_ phase: Phase) -> Int { late.reduce(0) { $0 + $1[phase.rawValue] } }
    package var totalLate: Int { Phase.allCases.reduce(0) { $0 + totalLate($1) } }
  }

  package var rank = 0
  package var host = ""
  /// The lowest rank of its host.
  package var hostLeader = 0
  package var threads = 0
  /// As its kernel names it; empty where it does not, and in reports of before this was told.
  package var processor = ""
  /// Whether its threads share cores with other ranks or with each other: then they take turns, and times of phases say
  /// little.
  package var sharesCores = false
  /// Of its host's clock against rank 0's: nanoseconds, nanoseconds, parts in a million.
  package var clockOffset = 0.0
  package var clockError = 0.0
  package var clockDrift = 0.0
  /// By `StepKind`.
  package var kinds = StepKind.allCases.map { _ in Kind() }
  /// What it sent in reductions over the ranks.
  package var reduction = ReductionTraffic()
  /// Of the latest steps, where they were kept; by time.
  package var spans: [PhaseRecorder.Span] = []
  package var messages: [PhaseRecorder.Message] = []

  package init() {}
}

extension RankAccount {
  /// What `telemetry` has counted so far.
  package init(_ telemetry: RankTelemetry) {
    reduction = telemetry.reduction
    spans = telemetry.recorder.keptSpans
    messages = telemetry.recorder.keptMessages
    kinds = StepKind.allCases.map { kind in
      Kind(
        telemetry.recorder.totals[kind.rawValue], telemetry.trafficTotals[kind.rawValue], telemetry.loads[kind.rawValue]
      )
    }
  }
}

extension RankAccount.Kind {
  init(_ times: PhaseTimes, _ traffic: TrafficTable, _ load: ExpertLoad) {
    func rows(_ values: [UInt64]) -> [[Int]] {
      stride(from: 0, to: values.count, by: Phase.count).map { start in
        values[start..<(start + Phase.count)].map { Int(clamping: $0) }
      }
    }
    steps = times.steps
    wall = Int(clamping: times.wall)
    time = rows(times.time)
    late = rows(times.late)
    lateByRank = times.lateByRank.map { Int(clamping: $0) }
    sent = traffic.byRank
    rowsToHost = traffic.rowsToHost
    visits = load.visits
    distinctExperts = load.distinct
    func pairs(_ counts: [Int32]) -> [[[Int]]] {
      visits.indices.map { layer in
        (0..<load.expertCount).compactMap { expert in
          let count = Int(counts[layer * load.expertCount + expert])
          return count > 0 ? [expert, count] : nil
        }
      }
    }
    experts = pairs(load.byExpert)
    rejected = load.rejected.allSatisfy { $0 == 0 } ? [] : pairs(load.rejected)
  }
}
