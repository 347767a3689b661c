import Telemetry

extension ComputeModel {
  /// A rank's speed, as far as it bounds the work.
  package struct Machine: Sendable {
    /// Bytes a second that its workers read together, and operations a second that they do in products (a multiply-add
    /// is two).
    package var readBytesPerSecond: Double
    package var operationsPerSecond: Double
    /// Share of both that decoding and prefill reach.
    package var efficiency: Double

    /// Bytes of its caches that weights may take ahead of their use, and bytes a second that products read of them
    /// there; 0 where nothing is read ahead.
    package var cacheBytes = 0.0
    package var cachedBytesPerSecond = 0.0

    /// Rates are a second, of all workers together; `efficiency` is a share from 0 to 1.
    package init(
      readBytesPerSecond: Double, operationsPerSecond: Double, efficiency: Double, cacheBytes: Double = 0,
      cachedBytesPerSecond: Double = 0
    ) {
      (self.readBytesPerSecond, self.operationsPerSecond) = (readBytesPerSecond, operationsPerSecond)
      (self.efficiency, self.cacheBytes) = (efficiency, cacheBytes)
      self.cachedBytesPerSecond = cachedBytesPerSecond
    }

    /// One of so many ranks that share all of it.
    func shared(by ranks: Int) -> Machine {
      let part = 1 / Double(ranks)
      return Machine(
        readBytesPerSecond: readBytesPerSecond * part, operationsPerSecond: operationsPerSecond * part,
        efficiency: efficiency, cacheBytes: cacheBytes * part, cachedBytesPerSecond: cachedBytesPerSecond * part)
    }
  }

  /// Without any measurement: weights are read once for each layer, each row does two operations for each of them, and
  /// what takes longer is what it takes. Copies of rows read and write them once.
  package init(_ work: ModelWork, bytesPerParameter: Double, machine: Machine, rowBytes: RowBytes) {
    let (bandwidth, rate) = (
      machine.readBytesPerSecond * machine.efficiency, machine.operationsPerSecond * machine.efficiency
    )
    func roofline(_ parameters: Int) -> Roofline {
      Roofline(
        perMemory: Double(parameters) * bytesPerParameter / bandwidth, perArithmetic: 2 * Double(parameters) / rate)
    }
    attention = roofline(work.attention)
    dense = roofline(work.dense)
    shared = roofline(work.shared)
    experts = roofline(work.expert)
    outside = roofline(work.head)
    // Routers are held in fp32.
    gate = Cost(fixed: Double(work.router) * 4 / bandwidth, perRow: 2 * Double(work.router) / rate)
    pack = Cost(fixed: 0, perRow: Double(rowBytes.token + rowBytes.sum) / bandwidth)
    (unpack, merge) = (Cost(fixed: 0, perRow: 0), pack)
    // Each is read once and written once.
    slices = Cost(fixed: 0, perRow: 2 * Double(rowBytes.sum) / bandwidth)
    steering = 0
    if machine.cacheBytes > 0, machine.cachedBytesPerSecond > bandwidth {
      ahead = Ahead(room: machine.cacheBytes / bandwidth, cost: bandwidth / machine.cachedBytesPerSecond)
    }
    self.work = work
  }
}
