import Telemetry

extension ComputeModel {
  /// A rank's speed, as far as it bounds the work.
  package struct Machine: Sendable {
    /// Bytes a second that its workers read together, and operations a second that they do in products (a multiply-add is two).
    package var readBytesPerSecond: Double
    package var operationsPerSecond: Double
    /// Share of both that decoding and prefill reach.
    package var efficiency: Double

    package init(readBytesPerSecond: Double, operationsPerSecond: Double, efficiency: Double) {
      (self.readBytesPerSecond, self.operationsPerSecond) = (readBytesPerSecond, operationsPerSecond)
      self.efficiency = efficiency
    }
  }

  /// Without any measurement: weights are read once for each layer, each row does two operations for each of them, and both are
  /// added up, which is at most twice the greater. Copies of rows read and write them once.
  package init(_ work: ModelWork, bytesPerParameter: Double, machine: Machine, rowBytes: RowBytes) {
    let (bandwidth, rate) = (machine.readBytesPerSecond * machine.efficiency, machine.operationsPerSecond * machine.efficiency)
    func cost(_ parameters: Int) -> Cost {
      Cost(fixed: Double(parameters) * bytesPerParameter / bandwidth, perRow: 2 * Double(parameters) / rate)
    }
    let copy = Cost(fixed: 0, perRow: Double(rowBytes.token + rowBytes.sum) / bandwidth)
    attention = cost(work.attention)
    dense = cost(work.dense)
    gate = cost(work.router)
    shared = cost(work.shared)
    (pack, unpack, merge) = (copy, Cost(fixed: 0, perRow: 0), copy)
    (perExpert, perVisit) = (cost(work.expert).fixed, cost(work.expert).perRow)
    outside = cost(work.head)
    steering = 0
    self.work = work
    expertResidual = 0
  }
}
