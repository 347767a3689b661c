import Reports
import Telemetry

extension ComputeModel {
  /// What steps of the other kind count in a fit: enough to tell what rows cost where all of this kind had as many.
  private static let otherKindWeight = 0.1

  /// Fits reports of one model on equal ranks, for steps of one kind and layout. Each phase is fitted to its own times,
  /// and where these do not tell a cost, bounded by the fastest of all phases. Throws where nothing was measured.
  ///
  /// Of a layout that was measured only its own reports count. Ranks of one host that read the same weights at a time
  /// find them in a cache of all, and those that read slices share what memory gives: one layout's times are not the
  /// other's.
  package init(
    _ reports: [RunReport], of kind: StepKind, isSliced: Bool = false, path: String
  ) throws(ProjectionError) {
    guard let first = reports.first, let work = first.subject.work, work.moeLayers > 0 else {
      throw .nothingMeasured(
        path: path, reason: "it tells of no model with experts, or was written before reports told parameters")
    }
    guard reports.allSatisfy({ $0.subject.work.map { $0.isOfSameModel(as: work) } ?? false }) else {
      throw .nothingMeasured(path: path, reason: "its reports are of different models")
    }
    let points = reports.flatMap { report in report.kinds.flatMap { RankPoint.all(report, $0) } }
    guard !points.isEmpty else { throw .nothingMeasured(path: path, reason: "no step was counted") }
    let own = points.filter { $0.isSliced == isSliced }
    self.init(own.contains { $0.kind == kind } ? own : points, work, of: kind)
  }

  /// Of one point at least.
  private init(_ points: [RankPoint], _ work: ModelWork, of kind: StepKind) {
    let ofKind = points.filter { $0.kind == kind }
    func weight(_ point: RankPoint) -> Double { point.kind == kind ? 1 : Self.otherKindWeight }
    /// `share`: of the fixed cost and of each row's, that a rank has. Points without rows tell nothing, unless all are.
    func cost(
      _ phases: [Phase], of points: [RankPoint], share: (RankPoint) -> Double = { _ in 1 },
      _ rows: (RankPoint) -> Double
    ) -> Cost {
      let measured = points.filter { $0.time(of: phases) > 0 }
      let used = measured.contains { rows($0) > 0 } ? measured.filter { rows($0) > 0 } : measured
      guard !used.isEmpty else { return Cost(fixed: 0, perRow: 0) }
      let fit = LeastSquares(
        features: used.map { [share($0), share($0) * rows($0)] }, times: used.map { $0.time(of: phases) },
        weights: used.map(weight))
      return Cost(fixed: fit.coefficients[0], perRow: fit.coefficients[1])
    }
    /// Of ranks that had rows: those without go through the phase, too, and take no time worth telling.
    func timed(_ phases: [Phase], of points: [RankPoint]) -> [Roofline.Point] {
      points.filter { $0.rows > 0 && $0.time(of: phases) > 0 }.map {
        Roofline.Point(
          memory: $0.share, arithmetic: $0.rows * $0.share, seconds: $0.time(of: phases), weight: weight($0),
          isOfOtherKind: $0.kind != kind)
      }
    }
    // Of a prompt, only the last row meets the head.
    let heads = timed([.embedding, .head, .sampling], of: ofKind.isEmpty ? points : ofKind)
    let headMeetsRows = kind == .decode && !ofKind.isEmpty
    let visited = points.flatMap { point in
      point.layers.map {
        Roofline.Point(
          memory: $0.distinct * point.expertShare, arithmetic: $0.visits * point.expertShare, seconds: $0.seconds,
          weight: weight(point), isOfOtherKind: point.kind != kind)
      }
    }
    let common = [(Phase.attention, work.attention), (.dense, work.dense), (.shared, work.shared)].map {
      (points: timed([$0], of: points), parameters: $1)
    }
    var fastest = FastestRates()
    for part in common { fastest.add(part.points, parameters: part.parameters) }
    fastest.add(heads, parameters: work.head, hasArithmetic: headMeetsRows)
    fastest.add(visited, parameters: work.expert)
    let roofs = common.map { Roofline($0.points, least: fastest.least($0.parameters)) }
    (attention, dense, shared) = (roofs[0], roofs[1], roofs[2])
    outside = Roofline(heads, least: fastest.least(work.head, hasArithmetic: headMeetsRows))
    experts = Roofline(visited, least: fastest.least(work.expert))
    expertResidual = experts.rms

    gate = cost([.gate], of: points, share: \.routerShare) { $0.rows }
    let (spread, sliced) = (points.filter { !$0.isSliced }, points.filter(\.isSliced))
    pack = cost([.pack], of: spread) { $0.sent }
    unpack = cost([.unpack], of: spread) { $0.arrived }
    merge = cost([.merge], of: spread.isEmpty ? sliced : spread) { $0.rows }
    if sliced.isEmpty {
      // A layer of the others packs twice, and what arrives is read where it lies.
      slices = Cost(fixed: pack.fixed / 2, perRow: pack.perRow)
    } else {
      slices = cost([.pack, .unpack], of: sliced) { $0.sent + $0.arrived }
      if spread.isEmpty { (pack, unpack) = (slices, Cost(fixed: 0, perRow: slices.perRow)) }
    }
    let steered = ofKind.isEmpty ? points : ofKind
    steering = steered.reduce(0) { $0 + $1.steering } / Double(steered.count)
    self.work = work
  }
}
