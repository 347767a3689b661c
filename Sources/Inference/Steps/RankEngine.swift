import ExpertParallelism
import Fabric
import Kernels
import Machine
import MoEModel

/// One rank's part in every step: it feeds its own sequences' tokens through the model, takes part in all expert
/// layers, and draws or scores tokens.
package final class RankEngine {
  let communicator: any Communicator
  let decoder: Decoder
  let cache: KeyValueCache
  let distributed: DistributedExperts?
  private let sampler: Sampler
  private var sequences: [SequenceID: HomeSequence] = [:]
  private let routing = RoutingRecorder()

  /// `distributed` is nil for models without experts.
  package init(
    communicator: any Communicator, decoder: Decoder, cache: KeyValueCache, distributed: DistributedExperts?,
    compute: Compute
  ) {
    self.communicator = communicator
    self.decoder = decoder
    self.cache = cache
    self.distributed = distributed
    sampler = Sampler(compute: compute, vocabularySize: decoder.description.vocabularySize)
  }

  /// Follows rank 0's plans until one says stop. For every rank but 0. Collective.
  package func follow() throws {
    while true {
      var bytes: [UInt8] = []
      try communicator.broadcast(&bytes, from: Rank(0))
      let plan = try StepPlan(decoding: bytes, size: communicator.size)
      if plan.stops {
        releaseAll()
        return
      }
      _ = try communicator.gather(try execute(plan), to: Rank(0))
    }
  }

  /// Forgets every sequence: the next loop starts with none.
  func releaseAll() {
    for sequence in sequences.values { cache.freeBlocks(sequence.blocks) }
    sequences.removeAll()
  }

  /// Carries out one step and returns this rank's outcome, encoded. Collective.
  ///
  /// What goes wrong with what this rank's own tokens became (logits that are not finite) is reported in the outcome;
  /// failures of the run itself are thrown.
  func execute(_ plan: StepPlan) throws -> [UInt8] {
    for id in plan.releases { if let sequence = sequences.removeValue(forKey: id) { cache.freeBlocks(sequence.blocks) } }
    for admission in plan.admissions where admission.home == communicator.rank {
      sequences[admission.id] = HomeSequence(admission)
    }
    let own = plan.items.filter { $0.home == communicator.rank }
    // Other ranks count on these tokens: a plan that cannot be followed ends the run.
    let batch = try self.batch(own)
    let before = distributed?.account ?? DispatchAccount()
    try distributed?.beginStep(rowsByRank: plan.rowsByRank(size: communicator.size))
    routing.begin(wanted: own.contains { sequences[$0.id]?.scoring?.returnsRouting == true }, decoder: decoder)
    let logits = try decoder.forward(batch)
    do throws(InferenceError) {
      var outcome = StepOutcome()
      outcome.interrupted = Interrupt.requested
      if let spent = distributed?.account.since(before) {
        outcome.bytesSent = spent.bytesSent
        outcome.messagesSent = spent.messagesSent
        outcome.expertsVisited = spent.expertsVisited
      }
      outcome.results = try results(own, batch, logits)
      return outcome.encoded()
    } catch { return StepOutcome.failure("\(error)") }
  }

  private func batch(_ items: [StepPlan.Item]) throws(InferenceError) -> DecoderBatch {
    var batch = DecoderBatch()
    // Twice would leave the first chunk with a block table that the second has outgrown.
    guard Set(items.map(\.id)).count == items.count else { throw .malformedPlan("it feeds a sequence twice") }
    for item in items {
      guard let sequence = sequences[item.id] else { throw .malformedPlan("it feeds sequence \(item.id.value), which nobody admitted") }
      let end = item.start + item.count
      guard end <= sequence.tokens.count else {
        throw .malformedPlan("it feeds \(end) tokens of sequence \(item.id.value), which has \(sequence.tokens.count)")
      }
      let tokens = sequence.tokens[item.start..<end]
      guard tokens.allSatisfy({ $0 >= 0 && Int($0) < decoder.description.vocabularySize }) else {
        throw .malformedPlan("it feeds sequence \(item.id.value) tokens outside the vocabulary")
      }
      guard sequence.reserve(positions: end, from: cache) else {
        throw .malformedPlan("it needs more cache blocks than the \(cache.blockCount) there are")
      }
      batch.chunks.append(
        DecoderBatch.Chunk(
          firstRow: batch.tokens.count, count: item.count, startPosition: item.start,
          blocks: UnsafePointer(sequence.table.pointer), outputs: item.outputs))
      batch.tokens.append(contentsOf: tokens)
    }
    return batch
  }

  private func results(
    _ items: [StepPlan.Item], _ batch: DecoderBatch, _ logits: UnsafeMutableBufferPointer<Float>
  ) throws(InferenceError) -> [StepOutcome.Result] {
    let vocabulary = decoder.description.vocabularySize
    var results: [StepOutcome.Result] = []
    var output = 0
    for (item, chunk) in zip(items, batch.chunks) {
      guard let sequence = sequences[item.id] else { continue }
      switch item.outputs {
      case .none: results.append(.nothing)
      case .last:
        let row = UnsafePointer(logits.baseAddress! + output * vocabulary)
        output += 1
        let token = try sampler.sample(
          row, sequence.sampling, history: sequence.tokens, promptCount: sequence.promptCount)
        sequence.tokens.append(token)
        results.append(.token(token))
      case .all:
        let rows = UnsafeBufferPointer(start: logits.baseAddress! + output * vocabulary, count: item.count * vocabulary)
        output += item.count
        results.append(.scored(try score(sequence, item, chunk, rows)))
      }
    }
    return results
  }

  private func score(
    _ sequence: HomeSequence, _ item: StepPlan.Item, _ chunk: DecoderBatch.Chunk, _ logits: UnsafeBufferPointer<Float>
  ) throws(InferenceError) -> ScoredChunk {
    let options = sequence.scoring ?? ScoringOptions()
    let vocabulary = decoder.description.vocabularySize
    var scored = ScoredChunk(
      firstPosition: item.start, count: item.count, nextLogprobs: [], top: [],
      logits: options.returnsLogits ? Array(logits) : [], routing: [])
    for i in 0..<item.count {
      let next = item.start + i + 1
      let (logprob, top) = try sampler.logprobs(
        logits.baseAddress! + i * vocabulary, next: next < sequence.tokens.count ? sequence.tokens[next] : nil,
        topCount: options.topCount, position: item.start + i)
      scored.nextLogprobs.append(logprob)
      scored.top.append(top)
    }
    if options.returnsRouting { scored.routing = routing.rows(chunk.firstRow..<(chunk.firstRow + chunk.count)) }
    return scored
  }
}
