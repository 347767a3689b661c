import Reports
import Telemetry

/// Projections that were checked: a model of the work, fitted to some runs and compared with others.
package struct Projector: Sendable {
  /// A run beside what the model says of it.
  package struct Check: Sendable {
    package var ranks: Int
    package var hosts: Int
    package var isSliced: Bool
    package var batch: Int
    /// Of a sequence in a step: 1 without drafts.
    package var rowsPerSequence: Int
    package var kind: StepKind
    package var measured: Double
    package var projected: Double
    /// Relative; positive where the projection is too slow.
    package var error: Double { projected / measured - 1 }
  }

  /// By `StepKind`: where each sequence has a home, and where ranks share out every matrix.
  package let compute: [ComputeModel]
  package let slicedCompute: [ComputeModel]
  package let record: RoutingRecord
  /// How much longer than projected the fitted runs took, by `StepKind`; and of those that shared out every matrix,
  /// where there were some.
  package let calibration: [Double]
  package let slicedCalibration: [Double]
  /// The fitted runs themselves, and those that were not fitted.
  package let fitted: [Check]
  package let validated: [Check]
  /// Cores of the one machine that all ranks share, where their hosts are pretended.
  private let sharedCores: Int?
  private let threads: Int

  /// `record` must be of the same model, and `exchanges` are what ranks tell each other there where they share out
  /// every matrix: for reports that do not tell. `path` names the first report in errors.
  package init(
    fitting reports: [RunReport], validating others: [RunReport], record: RoutingRecord,
    exchanges: [RowExchange] = [], sharedCores: Int? = nil, path: String
  ) throws(ProjectionError) {
    func completed(_ report: RunReport) -> RunReport {
      guard report.subject.work?.exchanges.isEmpty ?? false else { return report }
      var report = report
      report.subject.work?.exchanges = exchanges
      return report
    }
    let (reports, others) = (reports.map(completed), others.map(completed))
    guard !(reports + others).contains(where: { $0.isSliced && ($0.subject.work?.exchanges.isEmpty ?? true) }) else {
      throw .nothingMeasured(
        path: path,
        reason:
          "its ranks shared out every matrix, and it does not say what they exchanged: give --model, its own model")
    }
    let sharedCores = sharedCores.map { max($0, 1) }
    // A file may say any number.
    let threads = min(max(reports.first?.account.ranks.first?.threads ?? 1, 1), 1 << 16)
    let ranks = reports.map(\.rankCount).reduce(0, +) / max(reports.count, 1)
    let slowness = Self.crowding(ranks: ranks, threads: threads, sharedCores)
    // Costs of a rank that has its cores for itself.
    func models(isSliced: Bool) throws(ProjectionError) -> [ComputeModel] {
      try StepKind.allCases.map { kind throws(ProjectionError) in
        try ComputeModel(reports, of: kind, isSliced: isSliced, path: path).slowed(by: 1 / slowness)
      }
    }
    let (compute, slicedCompute) = (try models(isSliced: false), try models(isSliced: true))
    func checks(_ reports: [RunReport]) -> [Check] {
      reports.flatMap { report in
        report.kinds.compactMap {
          Self.check(
            report, $0, (report.isSliced ? slicedCompute : compute)[$0.rawValue], record, threads, sharedCores)
        }
      }
    }
    let raw = checks(reports)
    func calibration(_ isIncluded: (Check) -> Bool) -> [Double] {
      StepKind.allCases.map { kind in
        let all = raw.filter { $0.kind == kind }
        let own = all.filter(isIncluded)
        let ratios = (own.isEmpty ? all : own).map { $0.measured / $0.projected }
        return ratios.isEmpty ? 1 : ratios.reduce(0, +) / Double(ratios.count)
      }
    }
    let (spread, sliced) = (calibration { !$0.isSliced }, calibration(\.isSliced))
    func calibrated(_ checks: [Check]) -> [Check] {
      checks.map {
        var check = $0
        check.projected *= (check.isSliced ? sliced : spread)[check.kind.rawValue]
        return check
      }
    }
    (self.compute, self.slicedCompute, self.record) = (compute, slicedCompute, record)
    (self.calibration, slicedCalibration) = (spread, sliced)
    (fitted, validated) = (calibrated(raw), calibrated(checks(others)))
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

  /// Rows of a step that are replayed at the most: a file may tell of more than memory has room for.
  private static let mostRows = 1 << 24

  /// A run beside its projection without calibration. How many of its sequences each rank was the home of, and how many
  /// different experts its tokens chose, are what a run is asked to do: the replay has them from its counts, and no
  /// time.
  private static func check(
    _ report: RunReport, _ kind: StepKind, _ compute: ComputeModel, _ record: RoutingRecord, _ threads: Int,
    _ sharedCores: Int?
  ) -> Check? {
    let steps = report.account.ranks[0].kinds[kind.rawValue].steps
    let seconds = report.seconds[kind.rawValue]
    guard steps > 0, seconds > 0, report.rankCount > 1, report.rows(kind) / steps <= mostRows,
      let network = Network(measuredIn: [report])
    else { return nil }
    let layout = Layout(
      rankCount: report.rankCount, hostOfRank: report.account.ranks.map(\.hostLeader), expertCount: record.expertCount)
    // The module's layer is in the account of a run that drafts with it.
    var compute = compute
    compute.work = compute.work.predicting(report.subject.work?.modules ?? 0 > 0)
    var replay = StepReplay(
      compute: compute, network: network, layout: layout,
      rowBytes: RowBytes(token: report.subject.rowBytes, sum: report.subject.sumBytes))
    (replay.isSliced, replay.dividesExperts) = (report.isSliced, report.dividesExperts)
    if kind == .decode { replay.rowsPerSequence = report.rowsPerSequence }
    replay.coresOfRank = coresOfRank(ranks: report.rankCount, threads: threads, sharedCores)
    let (homeRows, allRows) = (report.homeRows(kind), Double(report.rows(kind)) / Double(steps))
    replay.homeShares = allRows > 0 ? homeRows.map { $0 / allRows } : nil
    replay.distinctExperts = report.distinctExperts(kind)
    let batch = max(1, report.rows(kind) / steps)
    guard let outcome = replay.run(record, kind: kind, batch: batch), outcome.seconds > 0 else { return nil }
    return Check(
      ranks: report.rankCount, hosts: layout.hostCount, isSliced: report.isSliced, batch: batch,
      rowsPerSequence: replay.rowsPerSequence, kind: kind, measured: seconds / Double(steps),
      projected: outcome.seconds)
  }

  /// The relative error to expect of a layout: root mean square of the runs not fitted, and of the fitted ones where
  /// there are none; nil where no run was laid out so.
  package func expectedError(_ kind: StepKind, isSliced: Bool = false) -> Double? {
    func rms(_ checks: [Check]) -> Double? {
      let errors = checks.filter { $0.kind == kind && $0.isSliced == isSliced }.map(\.error)
      return errors.isEmpty ? nil : (errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)).squareRoot()
    }
    return rms(validated) ?? rms(fitted) ?? (isSliced ? nil : compute[kind.rawValue].expertResidual)
  }

  /// What is projected, beside the cluster.
  package struct Terms: Sendable {
    package var kind: StepKind
    /// Rows in all.
    package var batch: Int
    package var rowBytes: RowBytes
    package var isSliced = false
    package var dividesExperts = true
    /// Of a sequence, and whether a prediction module drafts.
    package var rowsPerSequence = 1
    package var predicts = false
    /// Of another model of the same kind.
    package var model: ModelWork?
    package var routing: RoutingRecord?
    /// How many times as fast as those measured ranks are.
    package var speed = 1.0

    package init(kind: StepKind, batch: Int, rowBytes: RowBytes) {
      (self.kind, self.batch, self.rowBytes) = (kind, batch, rowBytes)
    }
  }

  /// What work costs under these terms.
  package func compute(_ terms: Terms) -> ComputeModel {
    let measured = (terms.isSliced ? slicedCompute : compute)[terms.kind.rawValue]
    var model = (terms.model.map { measured.scaled(to: $0) } ?? measured).slowed(by: 1 / terms.speed)
    model.work = model.work.predicting(terms.predicts)
    return model
  }

  /// A step on another cluster. Nil without rows of that kind, and of slices where it is not known what they exchange.
  package func project(_ layout: Layout, network: Network, _ terms: Terms) -> StepReplay.Outcome? {
    let model = compute(terms)
    guard !terms.isSliced || !model.work.exchanges.isEmpty else { return nil }
    var replay = StepReplay(compute: model, network: network, layout: layout, rowBytes: terms.rowBytes)
    replay.coresOfRank = Self.coresOfRank(ranks: layout.rankCount, threads: threads, sharedCores)
    (replay.isSliced, replay.dividesExperts) = (terms.isSliced, terms.dividesExperts)
    replay.rowsPerSequence = terms.rowsPerSequence
    replay.calibration = (terms.isSliced ? slicedCalibration : calibration)[terms.kind.rawValue]
    return replay.run(terms.routing ?? record, kind: terms.kind, batch: terms.batch)
  }
}
