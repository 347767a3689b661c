import EngineAPI
import Glibc
import Kernels
import MoEModel
import Tensors

/// Draws a token from logits. The same logits, history, parameters and draw number give the same token everywhere.
///
/// Order of the steps: bias, then as in Hugging Face's generation repetition penalty, presence and frequency penalties, then tokens
/// that may not come, temperature, top-k, top-p, min-p. Candidates are ordered by logit, equal ones by id.
final class Sampler {
  private let compute: Compute
  private let vocabularySize: Int
  private let adjusted: AlignedBuffer<Float>
  /// A binary heap of token ids, greatest logit first.
  private let heap: AlignedBuffer<Int32>
  private var heapCount = 0
  private var seen: [Int32: Int32] = [:]

  init(compute: Compute, vocabularySize: Int) {
    self.compute = compute
    self.vocabularySize = vocabularySize
    adjusted = AlignedBuffer(count: vocabularySize)
    heap = AlignedBuffer(count: vocabularySize)
  }

  /// `history`: prompt and output so far; `promptCount` of them are the prompt. `bias` is added to logits; where `allowed` is given,
  /// no other token is drawn. Throws when a logit is not finite, or no token is left.
  func sample(
    _ logits: UnsafePointer<Float>, _ parameters: SamplingParameters, history: [Int32], promptCount: Int,
    bias: [TokenBias] = [], allowed: AllowedTokens? = nil
  ) throws(InferenceError) -> Int32 {
    guard compute.max(logits, count: vocabularySize).isFinite else {
      throw .logitsNotFinite(position: history.count - 1)
    }
    var scores = logits
    if parameters.hasPenalties || !bias.isEmpty || allowed != nil {
      adjusted.pointer.update(from: logits, count: vocabularySize)
      for bias in bias where Int(bias.token) < vocabularySize { adjusted.pointer[Int(bias.token)] += bias.amount }
      if parameters.hasPenalties { penalize(parameters, history: history, promptCount: promptCount) }
      allowed?.apply(to: adjusted.pointer, count: vocabularySize)
      scores = UnsafePointer(adjusted.pointer)
      guard compute.max(scores, count: vocabularySize).isFinite else {
        throw .nothingAllowed(position: history.count - 1)
      }
    }
    if parameters.temperature == 0 { return argmax(scores) }
    let draw = Self.uniform(seed: parameters.seed, draw: UInt64(history.count - promptCount))
    return choose(scores, parameters, draw: draw)
  }

  private func penalize(_ parameters: SamplingParameters, history: [Int32], promptCount: Int) {
    seen.removeAll(keepingCapacity: true)
    for (i, token) in history.enumerated() { seen[token, default: 0] += i >= promptCount ? 1 : 0 }
    for (token, generated) in seen {
      var score = adjusted.pointer[Int(token)]
      score = score > 0 ? score / parameters.repetitionPenalty : score * parameters.repetitionPenalty
      if generated > 0 {
        score -= parameters.presencePenalty
        score -= parameters.frequencyPenalty * Float(generated)
      }
      adjusted.pointer[Int(token)] = score
    }
  }

  /// The greatest score's token; of equals the lowest id.
  private func argmax(_ scores: UnsafePointer<Float>) -> Int32 {
    let highest = compute.max(scores, count: vocabularySize)
    for token in 0..<vocabularySize where scores[token] == highest { return Int32(token) }
    return 0
  }

  /// Walks candidates from the most probable down until the draw is spent.
  private func choose(_ scores: UnsafePointer<Float>, _ parameters: SamplingParameters, draw: Double) -> Int32 {
    buildHeap(scores)
    let temperature = Double(parameters.temperature)
    let highest = Double(scores[Int(heap.pointer[0])])
    func weight(_ token: Int32) -> Double {
      let score = scores[Int(token)]
      return score == -.infinity ? 0 : Double(exponential(Float((Double(score) - highest) / temperature)))
    }
    let limit = parameters.topK > 0 ? min(parameters.topK, vocabularySize) : vocabularySize
    // The mass top-p is a share of: that of the tokens top-k leaves, all of them without top-k.
    var mass = 0.0
    var candidates: [(token: Int32, weight: Double)] = []
    if limit < vocabularySize {
      for _ in 0..<limit {
        let token = popHeap(scores)
        candidates.append((token, weight(token)))
      }
      for candidate in candidates { mass += candidate.weight }
    } else {
      for token in 0..<Int32(vocabularySize) { mass += weight(token) }
    }
    var kept: [(token: Int32, weight: Double)] = []
    var sum = 0.0
    while kept.count < limit {
      let next: (token: Int32, weight: Double)
      if limit < vocabularySize {
        next = candidates[kept.count]
      } else {
        let token = popHeap(scores)
        next = (token, weight(token))
      }
      // The most probable token has weight 1.
      if !kept.isEmpty, next.weight < Double(parameters.minP) || next.weight == 0 { break }
      kept.append(next)
      sum += next.weight
      if sum >= Double(parameters.topP) * mass, parameters.topP < 1 { break }
      if parameters.topP >= 1, parameters.minP == 0, sum > draw * mass { return next.token }
    }
    var rest = draw * sum
    for candidate in kept {
      rest -= candidate.weight
      if rest < 0 { return candidate.token }
    }
    return kept[kept.count - 1].token
  }

  private func precedes(_ a: Int32, _ b: Int32, _ scores: UnsafePointer<Float>) -> Bool {
    scores[Int(a)] != scores[Int(b)] ? scores[Int(a)] > scores[Int(b)] : a < b
  }

  private func buildHeap(_ scores: UnsafePointer<Float>) {
    heapCount = vocabularySize
    for token in 0..<vocabularySize { heap.pointer[token] = Int32(token) }
    for i in stride(from: heapCount / 2 - 1, through: 0, by: -1) { sink(i, scores) }
  }

  private func popHeap(_ scores: UnsafePointer<Float>) -> Int32 {
    let top = heap.pointer[0]
    heapCount -= 1
    heap.pointer[0] = heap.pointer[heapCount]
    sink(0, scores)
    return top
  }

  private func sink(_ start: Int, _ scores: UnsafePointer<Float>) {
    var i = start
    while 2 * i + 1 < heapCount {
      var child = 2 * i + 1
      if child + 1 < heapCount, precedes(heap.pointer[child + 1], heap.pointer[child], scores) { child += 1 }
      guard precedes(heap.pointer[child], heap.pointer[i], scores) else { return }
      swap(&heap.pointer[child], &heap.pointer[i])
      i = child
    }
  }

  /// A number in [0, 1) that depends on seed and draw number only: SplitMix64 (Steele, Lea, Flood 2014) from a
  /// mixed seed, so that streams of different seeds do not overlap by a shift.
  static func uniform(seed: UInt64, draw: UInt64) -> Double {
    Double(mixed(mixed(seed) &+ 0x9E37_79B9_7F4A_7C15 &* (draw &+ 1)) >> 11) * 0x1p-53
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// The `count` greatest logits' tokens with their log-probabilities, and that of `next`, from `[vocabulary]` logits.
  func logprobs(_ logits: UnsafePointer<Float>, next: Int32?, topCount: Int, position: Int) throws(InferenceError)
    -> (next: Float, top: [Candidate])
  {
    let highest = compute.max(logits, count: vocabularySize)
    guard highest.isFinite else { throw .logitsNotFinite(position: position) }
    let normalizer = log(Double(compute.sumExp(logits, count: vocabularySize, shift: highest)))
    func logprob(_ token: Int32) -> Float { Float(Double(logits[Int(token)]) - Double(highest) - normalizer) }
    var top: [Candidate] = []
    if topCount > 0 {
      buildHeap(logits)
      for _ in 0..<min(topCount, vocabularySize) {
        let token = popHeap(logits)
        top.append(.init(token: token, logprob: logprob(token)))
      }
    }
    return (next.map(logprob) ?? .nan, top)
  }
}
