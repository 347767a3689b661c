import EngineAPI
import Kernels
import Machine
import MoEModel
import ModelRuntime
import Tensors

/// What comes of a step's rows: tokens, scores, vectors.
extension RankEngine {
  /// What became of each item, found by all workers: an item is one worker's.
  func findResults(_ items: [StepPlan.Item], _ decoded: DecoderOutput, masks: [StepPlan.Mask]) {
    outcome.results.removeAll(keepingCapacity: true)
    firstRows.removeAll(keepingCapacity: true)
    var rows = (logits: 0, states: 0)
    for item in items {
      firstRows.append(rows)
      rows.logits += item.logitRows
      rows.states += item.stateRows
      outcome.results.append(.nothing)
    }
    let compute = runtime.compute
    let isShared = items.count > 1 && rows.logits * decoder.description.vocabularySize >= Self.sharedLogits
    outcome.results.withUnsafeMutableBufferPointer {
      let results = $0
      if isShared {
        compute.pool.run { worker in
          for i in compute.share(of: items.count, worker: worker) {
            results[i] = result(of: items[i], i, decoded, masks, samplers[worker])
          }
        }
      } else {
        for i in items.indices { results[i] = result(of: items[i], i, decoded, masks, samplers[0]) }
      }
    }
  }

  /// Fewer logits in a step are not worth the way to other workers.
  private static let sharedLogits = 1 << 14

  private func result(
    of item: StepPlan.Item, _ index: Int, _ decoded: DecoderOutput, _ masks: [StepPlan.Mask], _ sampler: Sampler
  ) -> StepOutcome.Result {
    guard let sequence = sequences[item.id] else { return .nothing }
    let (vocabulary, width) = (decoder.description.vocabularySize, decoder.description.hiddenSize)
    let first = firstRows[index]
    // No rows of logits, no memory for them.
    let logits = UnsafeBufferPointer(
      rebasing: decoded.logits[(first.logits * vocabulary)..<((first.logits + item.logitRows) * vocabulary)])
    do throws(InferenceError) {
      switch item.outputs {
      case .none: return .nothing
      case .last:
        return .token(
          try sample(sequence, logits.start, allowed: ownMasks[index].map { masks[$0].allowed }, sampler))
      case .all where !item.drafts.isEmpty:
        return .run(try sample(sequence, logits.start, item.drafts, ownMasks[index], masks, sampler))
      case .all where !answers, .lastState where !answers, .allStates where !answers: return .nothing
      case .all: return .scored(try score(sequence, item, batch.chunks[index], logits, sampler))
      case .lastState, .allStates:
        let states = decoded.states[(first.states * width)..<((first.states + item.stateRows) * width)]
        sequence.pool?.add(UnsafeBufferPointer(rebasing: states), width: width)
        return try pooled(sequence, isWhole: item.start + item.count == sequence.tokens.count)
      }
    } catch { return .failed("\(error)") }
  }

  /// Samples a sequence's next token from its logits `[vocabulary]`.
  func sample(
    _ sequence: HomeSequence, _ logits: UnsafePointer<Float>, allowed: AllowedTokens?, _ sampler: Sampler
  ) throws(InferenceError) -> SampledToken {
    let token = try sampler.sample(
      logits, sequence.sampling, history: sequence.tokens, promptCount: sequence.promptCount, bias: sequence.bias,
      allowed: allowed)
    var sampled = SampledToken(token)
    if let count = sequence.details.topLogprobs {
      let (logprob, top) = try sampler.logprobs(
        logits, next: token, topCount: count, position: sequence.tokens.count - 1)
      (sampled.logprob, sampled.top) = (logprob, top)
    }
    sequence.tokens.append(token)
    return sampled
  }

  /// The vector of a sequence that was read to its end; nothing before that.
  private func pooled(_ sequence: HomeSequence, isWhole: Bool) throws(InferenceError) -> StepOutcome.Result {
    guard isWhole, let pool = sequence.pool else { return .nothing }
    let vector = pool.vector
    guard vector.allSatisfy(\.isFinite) else { throw .statesNotFinite }
    return .embedding(vector)
  }

  private func score(
    _ sequence: HomeSequence, _ item: StepPlan.Item, _ chunk: DecoderBatch.Chunk, _ logits: UnsafeBufferPointer<Float>,
    _ sampler: Sampler
  ) throws(InferenceError) -> ScoredChunk {
    let options = sequence.scoring ?? ScoringOptions()
    let vocabulary = decoder.description.vocabularySize
    var scored = ScoredChunk(
      firstPosition: item.start, count: item.count, nextLogprobs: [], top: [],
      logits: options.returnsLogits ? Array(logits) : [], routing: [])
    for i in 0..<item.count {
      let next = item.start + i + 1
      let (logprob, top) = try sampler.logprobs(
        logits.start + i * vocabulary, next: next < sequence.tokens.count ? sequence.tokens[next] : nil,
        topCount: options.topCount, position: item.start + i)
      scored.nextLogprobs.append(logprob)
      scored.top.append(top)
    }
    if options.returnsRouting { scored.routing = routing.rows(chunk.firstRow..<(chunk.firstRow + chunk.count)) }
    return scored
  }
}
