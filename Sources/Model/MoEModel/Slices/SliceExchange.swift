import Kernels
import Machine
import Tensors

/// Bytes that one rank has and the others want: `runs` runs of `byteCount` bytes, `stride` bytes apart.
package struct SlicePiece: BitwiseCopyable {
  package let start: UnsafeMutableRawPointer
  package let runs: Int
  package let byteCount: Int
  package let stride: Int

  package init(_ start: UnsafeMutableRawPointer, runs: Int, byteCount: Int, stride: Int) {
    (self.start, self.runs, self.byteCount, self.stride) = (start, runs, byteCount, stride)
  }

  /// These numbers.
  package init(_ view: MatrixView<Float>) {
    self.init(
      UnsafeMutableRawPointer(view.start), runs: view.columns == 0 ? 0 : view.rowCount, byteCount: view.columns * 4,
      stride: view.stride * 4)
  }
}

/// Brings what each rank has computed to all of them. Every rank notes the same pieces of the same ranks in the same
/// order; one is read where it is the rank's own, and written where it is another's.
package protocol SliceExchange: AnyObject {
  /// Notes a piece, which stays where it is until `exchange`.
  func add(_ piece: SlicePiece, from rank: Int)

  /// Exchanges all that was noted since the last time, in one message from each rank that has some of it to each other.
  /// Collective.
  func exchange() throws

  /// Moved on again and again while messages are waited for; nil at first.
  var whileWaiting: (any Polled)? { get set }

  /// The ranks of this one's host, in ascending order, this one among them.
  var hostRanks: [Int] { get }

  /// The same among the ranks of a host, all of which have noted pieces of theirs only. Collective on a host.
  func exchangeWithinHost() throws
}

/// Completes rows of which each rank computes some columns, for the layers of one rank.
package final class SliceGatherer {
  package let slice: ModelSlice
  package let exchange: any SliceExchange
  /// What went wrong first: workers wait for each other in the middle of a layer and cannot throw there.
  private var failure: (any Error)?
  private let fetch: WeightFetch?

  /// `fetchByteCount`: of weights that each worker brings into its caches during an exchange, at most.
  package init(_ slice: ModelSlice, through exchange: any SliceExchange, fetchByteCount: Int = 0) {
    (self.slice, self.exchange) = (slice, exchange)
    fetch = WeightFetch(byteLimit: fetchByteCount)
    if let fetch { exchange.whileWaiting = fetch }
  }

  /// Whether anybody reads `NextWeights`.
  var fetches: Bool { fetch != nil }

  /// Exchanges what was noted; by one worker.
  func run() {
    guard failure == nil else { return }
    do { try exchange.exchange() } catch { failure = error }
  }

  /// By a worker that is about to meet the others for an exchange.
  func prepare(worker: Int) { if worker == 0 { fetch?.begin() } }

  /// Exchanges what worker 0 has noted, while the others fetch what they need `next`; all workers call it, which have
  /// met after `prepare`.
  func run(fetching next: NextWeights?, worker: Int) {
    guard worker == 0 else {
      if let next { fetch?.follow(next, worker: worker) }
      return
    }
    if let next { fetch?.take(next) }
    run()
    fetch?.end()
  }

  /// The same on the thread that workers run for; throws what went wrong.
  package func run(_ compute: Compute, fetching next: NextWeights?) throws {
    if let fetch, let next, compute.workerCount > 1 {
      fetch.begin()
      compute.pool.run { worker in run(fetching: next, worker: worker) }
    } else {
      run(fetching: next, worker: 0)
    }
    try check()
  }

  /// The same among the ranks of this host.
  func runWithinHost() {
    guard failure == nil else { return }
    do { try exchange.exchangeWithinHost() } catch { failure = error }
  }

  /// Throws what went wrong meanwhile.
  func check() throws { if let failure { throw failure } }
}

/// How the columns of some rows are shared out among ranks.
struct RowSlices {
  let gatherer: SliceGatherer
  /// By rank.
  let ranges: [Range<Int>]
  /// What is multiplied with when rows are complete.
  var next: NextWeights?

  var own: Range<Int> { ranges[gatherer.slice.rank] }

  /// This rank's columns.
  func own(of view: MatrixView<Float>) -> MatrixView<Float> { view.columns(own) }

  /// Notes that all ranks want the columns of each, with the next exchange.
  func note(_ view: MatrixView<Float>) {
    for (rank, range) in ranges.enumerated() where !range.isEmpty {
      gatherer.exchange.add(SlicePiece(view.columns(range)), from: rank)
    }
  }

  /// Whether columns travel as `rounded` holds them: where that is all that a product in `format` reads, and no two
  /// ranks have columns that share a scale.
  func travel(_ rounded: RowBuffer, for format: RowFormat) -> Bool {
    format == rounded.format && ranges.allSatisfy { $0.isEmpty || rounded.isApart($0) }
  }

  /// Notes that all ranks want the columns of each of so many rows as `rounded` holds them.
  func note(_ rounded: RowBuffer, rows: Int) {
    for (rank, range) in ranges.enumerated() where !range.isEmpty {
      rounded.forEachPart(range) { start, byteCount, stride in
        gatherer.exchange.add(SlicePiece(start, runs: rows, byteCount: byteCount, stride: stride), from: rank)
      }
    }
  }

  /// Completes rows for a product in `format`, and rounds them for it in `rounded`: each rank its own columns before
  /// they travel, where they may. As `gather`; all workers may read the rows afterwards.
  func gather(
    _ view: MatrixView<Float>, in rounded: RowBuffer, for format: RowFormat, _ compute: Compute, worker: Int
  ) {
    guard travel(rounded, for: format) else {
      gather(view, compute, worker: worker)
      guard rounded.format != .float32 else { return }
      rounded.share(compute, worker: worker, view.start, stride: view.stride, count: view.rowCount)
      return compute.pool.barrier(worker: worker)
    }
    compute.pool.barrier(worker: worker)
    rounded.share(compute, worker: worker, view, columns: own)
    gatherer.prepare(worker: worker)
    compute.pool.barrier(worker: worker)
    if worker == 0 { note(rounded, rows: view.rowCount) }
    gatherer.run(fetching: next, worker: worker)
    compute.pool.barrier(worker: worker)
  }

  /// Completes rows once all workers have computed their part of this rank's columns; they may read all of them
  /// afterwards.
  func gather(_ view: MatrixView<Float>, _ compute: Compute, worker: Int) {
    gatherer.prepare(worker: worker)
    compute.pool.barrier(worker: worker)
    if worker == 0 { note(view) }
    gatherer.run(fetching: next, worker: worker)
    compute.pool.barrier(worker: worker)
  }
}

extension RowSlices? {
  /// The columns that this rank computes: all of them where nothing is shared out.
  func own(of view: MatrixView<Float>) -> MatrixView<Float> { self?.own(of: view) ?? view }

  /// Meets the other workers, and where columns are shared out the other ranks; rows are rounded for a product then.
  func finish(
    _ view: MatrixView<Float>, in rounded: RowBuffer, for format: RowFormat, _ compute: Compute, worker: Int
  ) {
    if let self { return self.gather(view, in: rounded, for: format, compute, worker: worker) }
    compute.pool.barrier(worker: worker)
    guard rounded.format != .float32 else { return }
    rounded.share(compute, worker: worker, view.start, stride: view.stride, count: view.rowCount)
    compute.pool.barrier(worker: worker)
  }

  /// Meets the other workers, and where columns are shared out the other ranks.
  func finish(_ view: MatrixView<Float>, _ compute: Compute, worker: Int) {
    guard let self else { return compute.pool.barrier(worker: worker) }
    self.gather(view, compute, worker: worker)
  }
}
