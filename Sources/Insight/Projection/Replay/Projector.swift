import Reports
import Telemetry

/// Projections that were checked: a model of the work, fitted to some runs and compared with others.
package struct Projector: Sendable {
  /// A run beside what the model says of it.
  package struct Check: Sendable {
    package var ranks: Int
    package var hosts: Int
    package var batch: Int
    package var kind: StepKind
    package var measured: Double
    package var projected: Double
    /// Relative; positive where the projection is too slow.
    package var error: Double { projected / measured - 1 }
  }

  /// By `StepKind`.
  package let compute: [ComputeModel]
  package let record: RoutingRecord
  /// How much longer than projected the fitted runs took, by `StepKind`.
  package let calibration: [Double]
  /// The fitted runs themselves, and those that were not fitted.
  package let fitted: [Check]
  package let validated: [Check]
  /// Cores of the one machine that all ranks share, where their hosts are pretended.
  private let sharedCores: Int?
  private let threads: Int

  /// `record` must be of the same model. `path` names the first report in errors.
  package init(
    fitting reports: [RunReport], validating others: [RunReport], record: RoutingRecord, sharedCores: Int? = nil,
    path: String
  ) throws(ProjectionError) {
    guard !(reports + others).contains(where: \.isSliced) else {
      throw .nothingMeasured(
        path: path, reason: "its ranks shared out every matrix, and runs with --layout spread are projected")
    }
    let sharedCores = sharedCores.map { max($0, 1) }
    let threads = reports.first?.account.ranks.first?.threads ?? 1
    let ranks = reports.map(\.rankCount).reduce(0, +) / max(reports.count, 1)
    let slowness = Self.crowding(ranks: ranks, threads: threads, sharedCores)
    // Costs of a rank that has its cores for itself.
    let compute = try StepKind.allCases.map { kind throws(ProjectionError) in
      try ComputeModel(reports, of: kind, path: path).slowed(by: 1 / slowness)
    }
    func checks(_ reports: [RunReport], _ calibration: [Double]) -> [Check] {
      reports.flatMap { report in
        report.kinds.compactMap { kind in
          Self.check(
            report, kind, compute[kind.rawValue], record, threads, sharedCores, calibration: calibration[kind.rawValue])
        }
      }
    }
    let raw = checks(reports, StepKind.allCases.map { _ in 1 })
    let calibration = StepKind.allCases.map { kind in
      let ratios = raw.filter { $0.kind == kind }.map { $0.measured / $0.projected }
      return ratios.isEmpty ? 1 : ratios.reduce(0, +) / Double(ratios.count)
    }
    (self.compute, self.record, self.calibration) = (compute, record, calibration)
    (fitted, validated) = (checks(reports, calibration), checks(others, calibration))
    (self.sharedCores, self.threads) = (sharedCores, threads)
  }

  /// How much slower ranks are measured to be by the others on their cores.
  private static func crowding(ranks: Int, threads: Int, _ sharedCores: Int?) -> Double {
    sharedCores.map { max(1, Double(ranks * threads) / Double($0)) } ?? 1
  }

  /// Which ranks take turns on which cores: hosts of one machine are dealt to its cores in turn.
  private static func coresOfRank(ranks: Int, threads: Int, _ sharedCores: Int?) -> [Int]? {
    sharedCores.map { cores in (0..<ranks).map { $0 % max(1, cores / threads) } }
  }

  private static func check(
    _ report: RunReport, _ kind: StepKind, _ compute: ComputeModel, _ record: RoutingRecord, _ threads: Int,
    _ sharedCores: Int?,
    calibration: Double
  ) -> Check? {
    let steps = report.account.ranks[0].kinds[kind.rawValue].steps
    let seconds = report.seconds[kind.rawValue]
    guard steps > 0, seconds > 0, report.rankCount > 1, let network = Network(measuredIn: [report]) else { return nil }
    let layout = Layout(
      rankCount: report.rankCount, hostOfRank: report.account.ranks.map(\.hostLeader), expertCount: record.expertCount)
    var replay = StepReplay(
      compute: compute, network: network, layout: layout,
      rowBytes: RowBytes(token: report.subject.rowBytes, sum: report.subject.sumBytes))
    replay.calibration = calibration
    replay.coresOfRank = coresOfRank(ranks: report.rankCount, threads: threads, sharedCores)
    let batch = max(1, report.tokens[kind.rawValue] / steps)
    guard let outcome = replay.run(record, kind: kind, batch: batch), outcome.seconds > 0 else { return nil }
    return Check(
      ranks: report.rankCount, hosts: layout.hostCount, batch: batch, kind: kind, measured: seconds / Double(steps),
      projected: outcome.seconds)
  }

  /// The relative error to expect: root mean square of the runs not fitted, and of the fitted ones where there are
  /// none.
  package func expectedError(_ kind: StepKind) -> Double {
    func rms(_ checks: [Check]) -> Double? {
      let errors = checks.filter { $0.kind == kind }.map(\.error)
      return errors.isEmpty ? nil : (errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)).squareRoot()
    }
    return rms(validated) ?? rms(fitted) ?? compute[kind.rawValue].expertResidual
  }

  /// A step on another cluster, whose ranks are `speed` times as fast; `other` is another model of the same kind. Nil
  /// without rows of that kind.
  package func project(
    _ layout: Layout, network: Network, kind: StepKind, batch: Int, rowBytes: RowBytes, model other: ModelWork? = nil,
    routing: RoutingRecord? = nil, speed: Double = 1
  ) -> StepReplay.Outcome? {
    let measured = compute[kind.rawValue]
    let model = other.map { measured.scaled(to: $0) } ?? measured
    var replay = StepReplay(
      compute: model.slowed(by: 1 / speed), network: network, layout: layout, rowBytes: rowBytes)
    replay.coresOfRank = Self.coresOfRank(ranks: layout.rankCount, threads: threads, sharedCores)
    replay.calibration = calibration[kind.rawValue]
    return replay.run(routing ?? record, kind: kind, batch: batch)
  }
}
