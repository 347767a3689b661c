import EngineAPI
import Kernels
import MoEModel
import Tensors

/// Samples a token from logits. The same logits, history, parameters and draw number give the same token everywhere.
///
/// Order of the steps: bias, then as in Hugging Face's generation repetition penalty, presence and frequency penalties,
/// then tokens that may not come, temperature, top-k, top-p, min-p. Candidates are ordered by logit, equal ones by id.
///
/// One sampler is one thread's at a time. Its memory comes with the first use of what needs it.
final class Sampler {
  private typealias Weighed = (token: Int32, weight: Double)

  private let compute: Compute
  private let vocabularySize: Int
  private lazy var adjusted = AlignedBuffer<Float>(count: vocabularySize)
  private lazy var weights = AlignedBuffer<Float>(count: vocabularySize)
  private lazy var ranking = TokenRanking(count: vocabularySize)
  private var candidates: [Weighed] = []
  private var seen: [Int32: Int32] = [:]

  init(compute: Compute, vocabularySize: Int) {
    self.compute = compute
    self.vocabularySize = vocabularySize
  }

  /// `history`: prompt and output so far; `promptCount` of them are the prompt. `bias` is added to logits; where
  /// `allowed` is given, no other token is sampled. Throws when a logit is not finite, or no token is left.
  func sample(
    _ logits: UnsafePointer<Float>, _ parameters: SamplingParameters, history: [Int32], promptCount: Int,
    bias: [TokenBias] = [], allowed: AllowedTokens? = nil
  ) throws(InferenceError) -> Int32 {
    var highest = compute.max(logits, count: vocabularySize)
    guard highest.isFinite else { throw .logitsNotFinite(position: history.count - 1) }
    var scores = logits
    if parameters.hasPenalties || !bias.isEmpty || allowed != nil {
      adjusted.pointer.update(from: logits, count: vocabularySize)
      for bias in bias where Int(bias.token) < vocabularySize { adjusted.pointer[Int(bias.token)] += bias.amount }
      if parameters.hasPenalties { penalize(parameters, history: history, promptCount: promptCount) }
      allowed?.apply(to: adjusted.pointer, count: vocabularySize)
      scores = UnsafePointer(adjusted.pointer)
      highest = compute.max(scores, count: vocabularySize)
      guard highest.isFinite else { throw .nothingAllowed(position: history.count - 1) }
    }
    if parameters.temperature == 0 { return first(scores, highest) }
    let draw = Self.uniform(seed: parameters.seed, draw: UInt64(history.count - promptCount))
    return choose(scores, highest, parameters, draw: draw)
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
  private func first(_ scores: UnsafePointer<Float>, _ highest: Float) -> Int32 {
    for token in 0..<vocabularySize where scores[token] == highest { return Int32(token) }
    return 0
  }

  /// Walks candidates from the most probable down until the draw is spent.
  private func choose(
    _ scores: UnsafePointer<Float>, _ highest: Float, _ parameters: SamplingParameters, draw: Double
  ) -> Int32 {
    let temperature = parameters.temperature
    let limit = parameters.topK > 0 ? min(parameters.topK, vocabularySize) : vocabularySize
    // Beyond a few temperatures there is hardly anything.
    ranking.begin(scores, highest: highest, reach: 4 * temperature)
    candidates.removeAll(keepingCapacity: true)
    // The mass top-p is a share of: that of the tokens top-k leaves, all of them without top-k.
    var mass = 0.0
    if limit < vocabularySize {
      while candidates.count < limit, let token = ranking.next() {
        let weight = Self.weight(scores[Int(token)], highest, temperature)
        candidates.append((token, weight))
        mass += weight
      }
    } else {
      weigh(scores, highest, temperature)
      let weights = weights.pointer
      for token in 0..<vocabularySize { mass += Double(weights[token]) }
    }
    var (kept, sum) = (0, 0.0)
    while kept < limit {
      if limit == vocabularySize {
        guard let token = ranking.next() else { break }
        candidates.append((token, Double(weights.pointer[Int(token)])))
      }
      let next = candidates[kept]
      // The most probable token has weight 1.
      if kept > 0, next.weight < Double(parameters.minP) || next.weight == 0 { break }
      kept += 1
      sum += next.weight
      if sum >= Double(parameters.topP) * mass, parameters.topP < 1 { break }
      if parameters.topP >= 1, parameters.minP == 0, sum > draw * mass { return next.token }
    }
    var rest = draw * sum
    for candidate in candidates[..<kept] {
      rest -= candidate.weight
      if rest < 0 { return candidate.token }
    }
    return candidates[kept - 1].token
  }

  /// e^((score − highest) / temperature).
  private static func weight(_ score: Float, _ highest: Float, _ temperature: Float) -> Double {
    Double(exponential(Float((Double(score) - Double(highest)) / Double(temperature))))
  }

  /// The same of all tokens, into `weights`.
  private func weigh(_ scores: UnsafePointer<Float>, _ highest: Float, _ temperature: Float) {
    let weights = weights.pointer
    let (highest, temperature) = (Double(highest), Double(temperature))
    if temperature == 1 {
      for token in 0..<vocabularySize { weights[token] = Float(Double(scores[token]) - highest) }
    } else {
      for token in 0..<vocabularySize { weights[token] = Float((Double(scores[token]) - highest) / temperature) }
    }
    compute.exponentials(weights, into: weights, count: vocabularySize)
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
    let logSoftmax = compute.logSoftmax(logits, count: vocabularySize, greatest: highest)
    func logprob(_ token: Int32) -> Float { logSoftmax(logits[Int(token)]) }
    var top: [Candidate] = []
    if topCount > 0 {
      ranking.begin(logits, highest: highest, reach: 4)
      while top.count < topCount, let token = ranking.next() {
        top.append(.init(token: token, logprob: logprob(token)))
      }
    }
    return (next.map(logprob) ?? .nan, top)
  }
}
