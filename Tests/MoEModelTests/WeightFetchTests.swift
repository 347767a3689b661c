import Kernels
import Machine
import Tensors
import Testing

@testable import MoEModel

/// Weights that are brought into caches while messages travel.
struct WeightFetchTests {
  private static let (rows, columns, workers) = (83, 64, 3)

  private func matrix() -> (matrix: PackedMatrix, memory: AlignedBuffer<UInt8>, panelBytes: Int) {
    let panelBytes = WeightFormat.float32.panelByteCount(columns: Self.columns)
    let memory = AlignedBuffer<UInt8>(count: PackedMatrix.panelCount(rows: Self.rows) * panelBytes)
    let bounds = PackedMatrix.evenBounds(rows: Self.rows, workerCount: Self.workers)
    let matrix = PackedMatrix(
      format: .float32, rows: Self.rows, columns: Self.columns, rowFormat: .float32, bias: nil, bounds: bounds,
      shards: (0..<Self.workers).map { UnsafeMutableRawPointer(memory.pointer + bounds[$0] * panelBytes) })
    return (matrix, memory, panelBytes)
  }

  private func bytes(_ next: NextWeights, worker: Int) -> Int {
    next.runs(worker: worker).reduce(0) { $0 + $1.byteCount }
  }

  @Test func workersReadTheirPanelsAndNoOthers() {
    let (matrix, memory, panelBytes) = matrix()
    let next = NextWeights([matrix, matrix], workerCount: Self.workers)
    for worker in 0..<Self.workers {
      let rows = matrix.rowRange(worker: worker)
      let runs = next.runs(worker: worker)
      #expect(
        runs.count == 2 && runs.allSatisfy { $0.byteCount == PackedMatrix.panelCount(rows: rows.count) * panelBytes })
      #expect(runs.allSatisfy { $0.start == UnsafeRawPointer(memory.pointer) + rows.lowerBound / 16 * panelBytes })
    }
    #expect((0..<Self.workers).reduce(0) { $0 + bytes(next, worker: $1) } == 2 * memory.count)
    // Every third panel, from each of three on: together all of them.
    let parts = (0..<3).map { first in
      let part = NextWeights(workerCount: Self.workers)
      part.add(matrix, everyPanel: 3, from: first)
      return (0..<Self.workers).flatMap { worker in part.runs(worker: worker).map(\.start) }
    }
    #expect(parts.allSatisfy { $0.count == 2 } && Set(parts.flatMap(\.self)).count == 6)
    next.clear(worker: 1)
    #expect(bytes(next, worker: 1) == 0 && bytes(next, worker: 2) > 0)
    // One worker has all of it.
    let alone = PackedMatrix(
      format: .float32, rows: Self.rows, columns: Self.columns, rowFormat: .float32, bias: nil,
      bounds: PackedMatrix.bounds(rows: Self.rows, allOn: 1, workerCount: Self.workers),
      shards: [nil, UnsafeMutableRawPointer(memory.pointer), nil])
    let single = NextWeights([alone], workerCount: Self.workers)
    #expect((0..<Self.workers).map { bytes(single, worker: $0) } == [0, memory.count, 0])
  }

  @Test func fetchingEndsWithTheExchangeAndWithTheRoomInCaches() throws {
    let (matrix, memory, _) = matrix()
    let next = NextWeights([matrix], workerCount: Self.workers)
    let all = bytes(next, worker: 2)
    #expect(WeightFetch(byteLimit: 0) == nil)
    let fetch = try #require(WeightFetch(byteLimit: 1 << 20))
    // Before an exchange, and after it, nothing is fetched.
    #expect(fetch.follow(next, worker: 2) == 0 && fetch.step() == 0)
    fetch.begin()
    #expect(fetch.follow(next, worker: 2) == all)
    fetch.take(next)
    var (steps, taken) = (0, 0)
    while case let count = fetch.step(), count > 0 { (steps, taken) = (steps + 1, taken + count) }
    #expect(taken == bytes(next, worker: 0) && steps > 1 && taken / steps <= 2048)
    fetch.take(next)
    #expect(fetch.step() > 0)
    fetch.end()
    #expect(fetch.step() == 0 && fetch.follow(next, worker: 1) == 0)
    let small = try #require(WeightFetch(byteLimit: 3000))
    small.begin()
    small.take(next)
    #expect(small.follow(next, worker: 1) == 3000)
    #expect([small.step(), small.step(), small.step()] == [2048, 952, 0])
    withExtendedLifetime(memory) {}
  }

  @Test func othersAreFetchedForWhileOneExchanges() throws {
    let (matrix, memory, _) = matrix()
    let compute = Compute(pool: try .init(workerCount: Self.workers))
    let exchange = PatientExchange()
    let gatherer = SliceGatherer(
      ModelSlice(rank: 0, of: 2, dividesExperts: true), through: exchange, fetchByteCount: 1 << 20)
    #expect(gatherer.fetches && exchange.whileWaiting != nil)
    try gatherer.run(compute, fetching: NextWeights([matrix], workerCount: Self.workers))
    #expect(exchange.count == 1)
    // The rows of a layer, which all workers complete together.
    let rows = RowSlices(
      gatherer: gatherer, ranges: [0..<8, 8..<16], next: NextWeights([matrix], workerCount: Self.workers))
    let storage = RowStorage<Float>(columns: 16)
    storage.reserve(rows: 2)
    let view = storage.view(rows: 2)
    compute.pool.run { worker in rows.gather(view, compute, worker: worker) }
    #expect(exchange.count == 2 && exchange.pieces == 2)
    exchange.fails = true
    #expect(throws: PatientExchange.Failure.self) {
      try gatherer.run(compute, fetching: NextWeights([matrix], workerCount: Self.workers))
    }
    withExtendedLifetime(memory) {}
  }
}

/// An exchange that waits a while, and fails when it is told to.
private final class PatientExchange: SliceExchange {
  struct Failure: Error {}
  var whileWaiting: (any Polled)?
  var hostRanks: [Int] { [0] }
  var fails = false
  private(set) var (count, pieces) = (0, 0)

  func add(_ piece: SlicePiece, from rank: Int) { pieces += 1 }
  func exchange() throws {
    count += 1
    for _ in 0..<100 { whileWaiting?.poll() }
    if fails { throw Failure() }
  }
  func exchangeWithinHost() throws {}
}
