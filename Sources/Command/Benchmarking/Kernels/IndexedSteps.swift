import Kernels
import Machine
import Tensors

/// The stages of attention over chosen positions, as an indexer's layer has them: scores of all positions, shared among
/// the workers by runs; the choice, by tokens; attention.
struct IndexedSteps: @unchecked Sendable {
  private static let runLength = 32 * Compute.indexTile
  /// Scores held at once.
  private static let scoreRoom = 4 << 20

  let indexer: (heads: Int, dims: Int, topK: Int)
  private let context: Int
  private let tokens: Int
  private let queries: AlignedBuffer<Float>
  private let weights: AlignedBuffer<Float>
  private let scores: AlignedBuffer<Float>
  private let chosen: AlignedBuffer<UInt32>

  /// The last `tokens` tokens of a context; nil where the shape has no indexer, or some of them attend everything.
  init?(_ shape: AttentionBenchmark.Shape, context: Int, tokens: Int) {
    guard let indexer = shape.indexer, context - tokens >= indexer.topK else { return nil }
    (self.indexer, self.context, self.tokens) = (indexer, context, tokens)
    queries = AlignedBuffer((0..<(indexer.heads * indexer.dims)).map { Float($0 % 23) * 0.125 - 1.25 })
    weights = AlignedBuffer((0..<indexer.heads).map { Float($0 % 7) * 0.25 - 0.5 })
    scores = AlignedBuffer(count: min(tokens, Self.group(context)) * context)
    chosen = AlignedBuffer(count: tokens * indexer.topK)
  }

  /// Tokens whose scores are held at once.
  private static func group(_ context: Int) -> Int { max(1, scoreRoom / context) }

  /// The worker's share of the three stages; `attend` is called for each token.
  func run(
    _ compute: Compute, _ keys: IndexKeyView, worker: Int,
    attend: (_ token: Int, _ positions: UnsafePointer<UInt32>) -> Void
  ) {
    let runs = (context + Self.runLength - 1) / Self.runLength
    for first in stride(from: 0, to: tokens, by: Self.group(context)) {
      let group = first..<min(first + Self.group(context), tokens)
      for task in compute.share(of: group.count * runs, worker: worker) {
        let (token, begin) = (first + task / runs, task % runs * Self.runLength)
        let end = min(begin + Self.runLength, length(token))
        guard begin < end else { continue }
        compute.indexScores(
          keys, queries: queries.pointer, weights: weights.pointer, heads: indexer.heads, positions: begin..<end,
          into: scores.pointer + (token - first) * context + begin)
      }
      compute.pool.barrier(worker: worker)
      for token in compute.share(of: group.count, worker: worker).map({ first + $0 }) {
        compute.chooseGreatest(
          scores.pointer + (token - first) * context, count: length(token), wanted: indexer.topK,
          into: chosen.pointer + token * indexer.topK)
      }
      compute.pool.barrier(worker: worker)
    }
    for token in 0..<tokens { attend(token, chosen.pointer + token * indexer.topK) }
  }

  private func length(_ token: Int) -> Int { context - tokens + token + 1 }
}
