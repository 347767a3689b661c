import Tensors

/// Tokens in the order of their scores, the greatest first, of equals the lowest id; ordered only as far as they are
/// asked for.
///
/// Few are asked for out of very many, so that not all are sorted: those within some reach of the greatest score go
/// into a heap, then those further down, then the rest.
final class TokenRanking {
  private let count: Int
  /// A binary heap of tokens, the first one on top.
  private let heap: AlignedBuffer<Int32>
  private var heapCount = 0
  private var scores: UnsafePointer<Float>?
  /// Scores at which parts of the order end; the last one has no end.
  private var bounds: (Float, Float) = (0, 0)
  private var partsTaken = 0

  init(count: Int) {
    self.count = count
    heap = AlignedBuffer(count: count)
  }

  /// Begins with the scores `[count]`, none of them NaN, `highest` the greatest. They must stay until the last `next`.
  func begin(_ scores: UnsafePointer<Float>, highest: Float, reach: Float) {
    self.scores = scores
    bounds = (highest - reach, highest - max(8 * reach, 32))
    (partsTaken, heapCount) = (0, 0)
  }

  /// The next token; nil after the last one.
  func next() -> Int32? {
    guard let scores else { return nil }
    while heapCount == 0 {
      guard partsTaken < 3 else { return nil }
      takePart(scores)
    }
    let top = heap.pointer[0]
    heapCount -= 1
    heap.pointer[0] = heap.pointer[heapCount]
    sink(0, scores)
    return top
  }

  private func takePart(_ scores: UnsafePointer<Float>) {
    // Of numbers that are not NaN, each is in one part: the bounds descend, and no score is beyond `highest`.
    let lowest = partsTaken == 0 ? bounds.0 : partsTaken == 1 ? bounds.1 : -.infinity
    let end = partsTaken == 0 ? .infinity : partsTaken == 1 ? bounds.0 : bounds.1
    let heap = heap.pointer
    var found = 0
    for token in 0..<count where scores[token] >= lowest && scores[token] < end {
      heap[found] = Int32(truncatingIfNeeded: token)
      found += 1
    }
    partsTaken += 1
    heapCount = found
    for i in stride(from: found / 2 - 1, through: 0, by: -1) { sink(i, scores) }
  }

  private func precedes(_ a: Int32, _ b: Int32, _ scores: UnsafePointer<Float>) -> Bool {
    scores[Int(a)] != scores[Int(b)] ? scores[Int(a)] > scores[Int(b)] : a < b
  }

  private func sink(_ start: Int, _ scores: UnsafePointer<Float>) {
    let heap = heap.pointer
    var i = start
    while 2 * i + 1 < heapCount {
      var child = 2 * i + 1
      if child + 1 < heapCount, precedes(heap[child + 1], heap[child], scores) { child += 1 }
      guard precedes(heap[child], heap[i], scores) else { return }
      (heap[child], heap[i]) = (heap[i], heap[child])
      i = child
    }
  }
}
