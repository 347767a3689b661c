import Reports
import Telemetry

/// What a rank's own work takes, fitted to reports: everything but messages and waiting.
package struct ComputeModel: Sendable {
  /// Seconds for each layer, and for each row.
  package struct Cost: Sendable {
    package var fixed: Double
    package var perRow: Double
    /// Seconds that `rows` rows take; a mean number of them need not be whole.
    package func seconds(_ rows: Double) -> Double { fixed + perRow * rows }

    func scaled(_ fixedFactor: Double, _ rowFactor: Double) -> Cost {
      Cost(fixed: fixed * fixedFactor, perRow: perRow * rowFactor)
    }
  }

  /// Weights that workers bring into their caches while they wait for messages.
  package struct Ahead: Sendable {
    /// What a rank's caches have room for, in seconds of reading it from memory.
    package var room: Double
    /// What using it from there takes, of the time that it would from memory.
    package var cost: Double

    package init(room: Double, cost: Double) { (self.room, self.cost) = (room, cost) }
  }

  /// Of a layer, by rows at home.
  package var attention: Roofline
  package var dense: Roofline
  package var shared: Roofline
  /// Of a layer, by distinct experts and their visits.
  package var experts: Roofline
  /// Of a step, by rows at home: embedding, head, sampling.
  package var outside: Roofline
  /// Of a layer, by rows at home; sent, of tokens and of sums; that arrive; at home.
  package var gate: Cost
  package var pack: Cost
  package var unpack: Cost
  package var merge: Cost
  /// Where ranks share out every matrix: of an exchange, by the sums' rows that a rank's bytes would fill, its own for
  /// each other rank and those of others.
  package var slices: Cost
  /// Plans and outcomes of a step, as they were.
  package var steering: Double
  package var work: ModelWork
  /// What is read ahead while messages travel; nil where that is in the costs, or is not known.
  package var ahead: Ahead?
  /// Root mean square of the relative differences in expert times, the largest part.
  package let expertResidual: Double

  /// What steps of the other kind count in a fit: enough to tell what rows cost where all of this kind had as many.
  private static let otherKindWeight = 0.1

  /// Fits reports of one model on equal ranks, in whichever layout, for steps of one kind: few rows wait for memory and
  /// many for arithmetic, which no straight line tells. Throws where nothing was measured.
  package init(_ reports: [RunReport], of kind: StepKind, path: String) throws(ProjectionError) {
    guard let first = reports.first, let work = first.subject.work, work.moeLayers > 0 else {
      throw .nothingMeasured(
        path: path, reason: "it tells of no model with experts, or was written before reports told parameters")
    }
    guard reports.allSatisfy({ $0.subject.work.map { $0.isOfSameModel(as: work) } ?? false }) else {
      throw .nothingMeasured(path: path, reason: "its reports are of different models")
    }
    let points = reports.flatMap { report in report.kinds.flatMap { RankPoint.all(report, $0) } }
    guard !points.isEmpty else { throw .nothingMeasured(path: path, reason: "no step was counted") }
    func weight(_ point: RankPoint) -> Double { point.kind == kind ? 1 : Self.otherKindWeight }
    /// `share`: of the fixed cost and of each row's, that a rank has.
    func cost(
      _ phases: [Phase], of points: [RankPoint], share: (RankPoint) -> Double = { _ in 1 },
      _ rows: (RankPoint) -> Double
    ) -> Cost {
      let used = points.filter { point in phases.contains { point.seconds[$0.rawValue] > 0 } }
      guard !used.isEmpty else { return Cost(fixed: 0, perRow: 0) }
      let fit = LeastSquares(
        features: used.map { [share($0), share($0) * rows($0)] },
        times: used.map { point in phases.reduce(0) { $0 + point.seconds[$1.rawValue] } },
        weights: used.map(weight))
      return Cost(fixed: fit.coefficients[0], perRow: fit.coefficients[1])
    }
    func roofline(_ phases: [Phase]) -> Roofline {
      let used = points.filter { point in phases.contains { point.seconds[$0.rawValue] > 0 } }
      return Roofline(
        used.map { point in
          Roofline.Point(
            memory: point.share, arithmetic: point.rows * point.share,
            seconds: phases.reduce(0) { $0 + point.seconds[$1.rawValue] },
            weight: weight(point))
        })
    }
    attention = roofline([.attention])
    dense = roofline([.dense])
    shared = roofline([.shared])
    outside = roofline([.embedding, .head, .sampling])
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
    steering = points.reduce(0) { $0 + $1.steering } / Double(points.count)
    experts = Roofline(
      points.flatMap { point in
        point.layers.map {
          Roofline.Point(
            memory: $0.distinct * point.expertShare, arithmetic: $0.visits * point.expertShare, seconds: $0.seconds,
            weight: weight(point))
        }
      })
    expertResidual = experts.rms
    self.work = work
  }

  /// The same machine with another model: what is read for each layer and computed for each row grows as its parameters
  /// do, what is copied as the hidden size does.
  package func scaled(to other: ModelWork) -> ComputeModel {
    func factor(_ part: KeyPath<ModelWork, Int>) -> Double {
      work[keyPath: part] > 0
        ? Double(other[keyPath: part]) / Double(work[keyPath: part]) : other[keyPath: part] > 0 ? 1 : 0
    }
    var model = self
    let width = factor(\.hiddenSize)
    model.attention = attention.scaled(factor(\.attention))
    model.dense = dense.scaled(factor(\.dense))
    model.shared = shared.scaled(factor(\.shared))
    model.experts = experts.scaled(factor(\.expert))
    model.outside = outside.scaled(factor(\.head))
    model.gate = gate.scaled(factor(\.router), factor(\.router))
    (model.pack, model.unpack, model.merge) = (pack.scaled(1, width), unpack.scaled(1, 1), merge.scaled(1, width))
    model.slices = slices.scaled(1, width)
    model.work = other
    return model
  }

  /// Every cost times this: ranks that share cores.
  package func slowed(by factor: Double) -> ComputeModel {
    var model = self
    for part in [\ComputeModel.attention, \.dense, \.shared, \.experts, \.outside] {
      model[keyPath: part] = self[keyPath: part].scaled(factor)
    }
    for part in [\ComputeModel.gate, \.pack, \.unpack, \.merge, \.slices] {
      model[keyPath: part] = self[keyPath: part].scaled(factor, factor)
    }
    model.ahead?.room *= factor
    return model
  }
}
