import ExpertParallelism
import Fabric
import Kernels
import Machine
import MoEModel
import Tensors

/// What a program does that leaves the exchange to MPI: rows packed by destination, MPI_Alltoallv, rows packed again,
/// MPI_Alltoallv back, rows added up. It knows all counts beforehand.
struct ExchangeBaseline {
  private let communicator: MPICommunicator
  private let compute: Compute
  private let wire: WireFormat
  private let tokens: Int
  /// By destination: local tokens that go there, each once.
  private let destinations: [[Int]]
  /// Bytes `[rank]`: of tokens out and in, of sums back out and in; and where they lie.
  private let dispatched: Layout
  private let arriving: Layout
  private let returning: Layout
  private let returned: Layout
  private let buffers: [AlignedBuffer<Float>]
  private let equalCount: Int

  private struct Layout {
    var counts: [Int32]
    var offsets: [Int32]
    var total: Int

    init(rows: [Int], rowBytes: Int) throws {
      let counts = rows.map { $0 * rowBytes }
      total = counts.reduce(0, +)
      guard total <= Int(Int32.max) else { throw FabricError.messageTooLarge(byteCount: total, limit: Int(Int32.max)) }
      self.counts = counts.map { Int32($0) }
      var offset: Int32 = 0
      offsets = []
      for count in self.counts {
        offsets.append(offset)
        offset += count
      }
    }
  }

  /// Collective.
  init(
    communicator: any Communicator, compute: Compute, wire: WireFormat, tokens: Int, decisions: RouterDecisions,
    placement: ExpertPlacement
  ) throws {
    guard let mpi = communicator as? MPICommunicator else { preconditionFailure("the command runs over MPI") }
    self.communicator = mpi
    (self.compute, self.wire, self.tokens) = (compute, wire, tokens)
    let size = communicator.size
    var destinations = Array(repeating: [Int](), count: size)
    var sums = Array(repeating: 0, count: size)
    var marks = [UInt8](repeating: 0, count: decisions.topK)
    for token in 0..<tokens {
      let chosen = decisions.experts.pointer + token * decisions.topK
      let owners = (0..<decisions.topK).map { Int32(placement.owner(of: chosen[$0]).index) }
      PartialSubtrees.mark(chosen, places: owners, count: decisions.topK, into: &marks)
      for (rank, mark) in zip(owners.map { Int($0) }, marks) where rank != communicator.rank.index {
        if destinations[rank].last != token { destinations[rank].append(token) }
        if mark == 1 { sums[rank] += 1 }
      }
    }
    self.destinations = destinations
    func exchanged(_ rows: [Int]) throws -> [Int] {
      var table = [Int64](repeating: 0, count: size * size)
      for (to, count) in rows.enumerated() { table[communicator.rank.index * size + to] = Int64(count) }
      let all = try communicator.allReduce(table, .sum)
      return (0..<size).map { Int(all[$0 * size + communicator.rank.index]) }
    }
    let rows = destinations.map(\.count)
    dispatched = try Layout(rows: rows, rowBytes: wire.tokenByteCount)
    arriving = try Layout(rows: try exchanged(rows), rowBytes: wire.tokenByteCount)
    returning = try Layout(rows: try exchanged(sums), rowBytes: wire.sumByteCount)
    returned = try Layout(rows: sums, rowBytes: wire.sumByteCount)
    let greatest = [dispatched, arriving, returning, returned].map(\.total).max() ?? 0
    let fullest = [dispatched, returning].flatMap(\.counts).max() ?? 0
    let equal = Int(try communicator.allReduceMax(Int64(fullest)))
    equalCount = equal
    buffers = (0..<2).map { _ in AlignedBuffer<Float>(count: max(greatest, equal * size) / 4 + 16) }
    for buffer in buffers { buffer.buffer.update(repeating: 1) }
  }

  func packExchangeAndAdd(input: Rows, output: AlignedBuffer<Float>) throws {
    let (a, b, hidden) = (
      UnsafeMutableRawPointer(buffers[0].pointer), UnsafeMutableRawPointer(buffers[1].pointer), wire.hiddenSize
    )
    let (width, sumWidth) = (wire.tokenByteCount, wire.sumByteCount)
    for (rank, tokens) in destinations.enumerated() where !tokens.isEmpty {
      let start = a + Int(dispatched.offsets[rank])
      share(tokens.count) { (start + $0 * width).copyMemory(from: input.form(of: tokens[$0]), byteCount: width) }
    }
    try communicator.allToAll(
      a, counts: dispatched.counts, offsets: dispatched.offsets, into: b, receiveCounts: arriving.counts,
      receiveOffsets: arriving.offsets)
    share(returning.total / sumWidth) { (a + $0 * sumWidth).copyMemory(from: b + $0 * sumWidth, byteCount: sumWidth) }
    try communicator.allToAll(
      a, counts: returning.counts, offsets: returning.offsets, into: b, receiveCounts: returned.counts,
      receiveOffsets: returned.offsets)
    let (compute, tokens, floats) = (compute, tokens, buffers[1].pointer)
    // Not which row belongs to which token, but as many additions; of rounded sums half as many, and no expansion.
    share(returned.total / (hidden * 4)) {
      compute.add(floats + $0 * hidden, to: output.pointer + ($0 % tokens) * hidden, count: hidden)
    }
  }

  private func share(_ count: Int, _ body: (Int) -> Void) {
    guard count >= 8 else { return (0..<count).forEach(body) }
    withoutActuallyEscaping(body) { body in
      let row = Row(body)
      compute.pool.run { worker in for i in compute.share(of: count, worker: worker) { row.body(i) } }
    }
  }

  /// Lets workers share a closure that touches other rows on each.
  private struct Row: @unchecked Sendable {
    let body: (Int) -> Void
    init(_ body: @escaping (Int) -> Void) { self.body = body }
  }

  /// One MPI_Alltoall for each direction, of the bytes of the fullest pair.
  func exchangeEqually() throws {
    guard equalCount > 0 else { return }
    for _ in 0..<2 { try communicator.allToAll(buffers[0].pointer, count: equalCount, into: buffers[1].pointer) }
  }

  /// The same payload, copied once by one thread.
  func copy() {
    let bytes = max(dispatched.total, 0)
    buffers[1].pointer.update(from: buffers[0].pointer, count: bytes / 4)
    buffers[1].pointer.update(from: buffers[0].pointer, count: returning.total / 4)
  }
}
