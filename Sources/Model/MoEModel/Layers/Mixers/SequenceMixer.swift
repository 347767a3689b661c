import Kernels

/// A layer's first half, in which a token takes in what came before it in its sequence. What it keeps of a sequence,
/// its state, is its own: attention has a `LayerCache`.
protocol SequenceMixer: AnyObject {
  /// stream += mix(norm(stream)), the batch's tokens joining the state of their sequences.
  func forward(_ stream: ResidualStream, _ pass: ForwardPass)

  /// What the last forward pass, of so many rows, left behind; nil where nothing is kept.
  func tape(rows: Int) -> MixerTape?
}

extension DecoderBatch {
  /// Calls `body` for each row of the batch that is `worker`'s, with its chunk and its place there.
  func forEachRow(_ compute: Compute, worker: Int, _ body: (_ chunk: Chunk, _ index: Int, _ row: Int) -> Void) {
    let share = compute.share(of: tokens.count, worker: worker)
    for chunk in chunks {
      let first = max(share.lowerBound, chunk.firstRow)
      let end = min(share.upperBound, chunk.firstRow + chunk.count)
      for row in first..<max(first, end) { body(chunk, row - chunk.firstRow, row) }
    }
  }
}

/// Which positions a token sees: itself and those before it, or the latest of them.
struct AttentionSpan {
  /// A token sees itself and `slidingWindow - 1` tokens before it; nil for all.
  let slidingWindow: Int?

  func row(
    _ query: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, sink: UnsafePointer<Float>?, position: Int
  ) -> QueryRow {
    let begin = slidingWindow.map { max(0, position - $0 + 1) } ?? 0
    return QueryRow(query: query, out: out, sink: sink, begin: begin, end: position + 1)
  }
}
