import EngineAPI
import ModelRuntime
import MoEModel
import Telemetry
import Tensors

/// What the prediction module is told of a step's rows, kept for the memory of its arrays.
struct RowsAhead {
  /// The token after each row's.
  var next: [Int32] = []
  /// Rows whose guess is wanted, and the guesses.
  var wanted: [Int] = []
  var guesses: [Int32] = []
}

extension RankEngine {
  /// Samples from the rows of an item with drafts, `[1 + drafts, vocabulary]`, one after another, as long as the drafts
  /// before are what was sampled: each token is the one that a step for it alone would sample. Throws when there is
  /// none at all; a later row from which none can be sampled is met again by the next step.
  func sample(
    _ sequence: HomeSequence, _ logits: UnsafePointer<Float>, _ drafts: [Int32], _ firstMask: Int?,
    _ masks: [StepPlan.Mask], _ sampler: Sampler
  ) throws(InferenceError) -> [SampledToken] {
    let vocabulary = decoder.description.vocabularySize
    var sampled: [SampledToken] = []
    for row in 0...drafts.count {
      let allowed = firstMask.map { masks[$0 + row].allowed }
      do throws(InferenceError) {
        sampled.append(try sample(sequence, logits + row * vocabulary, allowed: allowed, sampler))
      } catch {
        guard row > 0 else { throw error }
        break
      }
      guard row < drafts.count, sampled[row].token == drafts[row] else { break }
    }
    return sampled
  }

  /// Runs the prediction module over the step's rows, and notes what it guesses to follow the tokens sampled.
  /// Collective.
  ///
  /// A row whose next token nobody knows (after a draft that was wrong, at the end of a prompt that is only read) gets
  /// its own: what becomes of it is overwritten, or taken back, before any other row looks at it.
  ///
  /// `routing`: where its decisions are noted, behind the model's.
  func predict(_ items: [StepPlan.Item], routing: RoutingTrace?) throws {
    ahead.next.removeAll(keepingCapacity: true)
    ahead.wanted.removeAll(keepingCapacity: true)
    for (i, (item, chunk)) in zip(items, batch.chunks).enumerated() {
      guard let sequence = sequences[item.id] else { continue }
      for row in 0..<item.count {
        let position = item.start + row + 1
        ahead.next.append(
          position < sequence.tokens.count ? sequence.tokens[position] : batch.tokens[chunk.firstRow + row])
      }
      switch outcome.results[i] {
      case .token, .run: ahead.wanted.append(chunk.firstRow + sequence.tokens.count - 2 - item.start)
      default: break
      }
    }
    try ahead.next.withUnsafeBufferPointer { try decoder.predict(batch, next: $0.start, routing: routing) }
    phases.enter(.head)
    try decoder.predictions(ofRows: ahead.wanted, into: &ahead.guesses)
    var guesses = ahead.guesses.makeIterator()
    for result in outcome.results {
      switch result {
      case .token, .run: outcome.predictions.append(guesses.next() ?? -1)
      default: outcome.predictions.append(-1)
      }
    }
  }

  /// Has the layers keep, where they have recurrent states, what each is before each draft: in a spare one, which the
  /// sequence goes on from if that draft is wrong. Throws `malformedPlan` where there are too few.
  func keepDraftStates(_ items: [StepPlan.Item]) throws(InferenceError) {
    firstSpares.removeAll(keepingCapacity: true)
    var used = 0
    for (chunk, item) in items.enumerated() {
      let isKept = states.slotCount > 0 && !item.drafts.isEmpty
      firstSpares.append(isKept ? used : nil)
      guard isKept else { continue }
      guard item.drafts.count <= states.spareCount - used else {
        throw .malformedPlan("it drafts more tokens than the \(states.spareCount) spare recurrent states")
      }
      for draft in item.drafts.indices {
        batch.snapshots.append(
          DecoderBatch.Snapshot(
            chunk: chunk, count: item.count - item.drafts.count + draft, state: states.address(ofSpare: used + draft)))
      }
      used += item.drafts.count
    }
    guard used > 0 else { return }
    batch.snapshots.sort { ($0.chunk, $0.count) < ($1.chunk, $1.count) }
  }

  /// Brings the states of sequences with a wrong draft back to what they were before it, those of the prediction
  /// module's layer, too.
  func takeBackStates(_ items: [StepPlan.Item]) {
    for (i, item) in items.enumerated() where keptCounts[i] < item.count {
      guard let first = firstSpares[i], let state = sequences[item.id]?.state else { continue }
      let right = keptCounts[i] - (item.count - item.drafts.count)
      states.copy(states.address(ofSpare: first + right), to: state, runtime.compute)
    }
  }

  /// Finds which rows of the step's items their texts keep.
  func countKept(_ items: [StepPlan.Item]) {
    keptCounts.removeAll(keepingCapacity: true)
    for (item, result) in zip(items, outcome.results) {
      var right = 0
      if case .run(let tokens) = result { right = tokens.count - 1 }
      keptCounts.append(item.count - item.drafts.count + right)
    }
  }

  /// Counts what wrong drafts chose, so that nobody takes it for what texts visit.
  func countRejected(_ items: [StepPlan.Item]) {
    for (i, item) in items.enumerated() where keptCounts[i] < item.count {
      let rows = (batch.chunks[i].firstRow + keptCounts[i])..<(batch.chunks[i].firstRow + item.count)
      for layer in routing.layers {
        telemetry.rejected(
          layer: layer.layer, experts: layer.experts[(rows.lowerBound * layer.topK)..<(rows.upperBound * layer.topK)])
      }
    }
  }
}
