import Bytes
import ExpertParallelism
import Fabric
import Kernels
import Machine
import MoEModel
import ModelRuntime
import Telemetry
import Tensors

/// One rank's part in every step: it feeds its own sequences' tokens through the model, takes part in all expert
/// layers, and samples or scores tokens.
package final class RankEngine {
  let runtime: ClusterRuntime
  private let cache: KeyValueCache
  let states: StateCache
  let telemetry: RankTelemetry
  private(set) var decoder: Decoder
  private(set) var dispatcher: ClusterDispatcher?
  var phases: PhaseRecorder { telemetry.recorder }
  /// Of each worker.
  let samplers: [Sampler]
  private(set) var sequences: [SequenceID: HomeSequence] = [:]
  let routing = RoutingTrace()
  /// What this rank's tokens chose, where somebody wants to know.
  var routingLog: RoutingLog?
  // Of one step, kept for the memory of their arrays.
  private var received = StepPlan()
  private var own: [StepPlan.Item] = []
  /// For each of them the place of its first mask in the plan, if it has one.
  private(set) var ownMasks: [Int?] = []
  /// And its place there.
  private var ownPlaces: [Int] = []
  /// For each item the first of its rows among those of logits, and of states.
  var firstRows: [(logits: Int, states: Int)] = []
  var batch = DecoderBatch()
  /// For each item the first of the spare states that its drafts have; nil without drafts or states.
  var firstSpares: [Int?] = []
  /// Of each item the rows that its text keeps: all but drafts that were wrong.
  var keptCounts: [Int] = []
  var rowsByRank: [Int]
  var outcome = StepOutcome()
  var ahead = RowsAhead()
  /// Of one step's blocks, where modules draft some.
  var blocks = BlockRows()
  /// The same on all ranks.
  let limits: SchedulerLimits
  private var writer = ByteWriter()
  private var stepNumber = 0

  /// `dispatcher` is nil for models without experts.
  init(
    _ runtime: ClusterRuntime, decoder: Decoder, cache: KeyValueCache, states: StateCache,
    dispatcher: ClusterDispatcher?, telemetry: RankTelemetry, limits: SchedulerLimits
  ) {
    (self.runtime, self.telemetry, self.limits) = (runtime, telemetry, limits)
    rowsByRank = Array(repeating: 0, count: runtime.communicator.size)
    (self.decoder, self.cache, self.states, self.dispatcher) = (decoder, cache, states, dispatcher)
    samplers = (0..<runtime.compute.workerCount).map { _ in
      Sampler(compute: runtime.compute, vocabularySize: decoder.description.vocabularySize)
    }
  }

  /// Goes on with another model of the same shape; keys and values in the cache are not its own.
  func replace(decoder: Decoder, dispatcher: ClusterDispatcher?) {
    (self.decoder, self.dispatcher) = (decoder, dispatcher)
  }

  /// Carries out the step whose plan follows the command, and tells rank 0 what came of it; on every rank but that.
  /// Collective.
  func follow(_ heard: inout RankCommands.Heard) throws {
    try received.decode(from: &heard.body, size: runtime.communicator.size)
    beginStep(received, waiting: heard.waiting, arrived: heard.arrived)
    let own = try execute(received)
    phases.enter(.outcome)
    try runtime.reports.send(own)
    phases.endStep(received.kind)
  }

  /// Counts a step from when rank 0 began it: what a rank waited before is nobody's time.
  private func beginStep(_ plan: StepPlan, waiting: UInt64, arrived: UInt64) {
    let begin = min(max(waiting, runtime.clocks.local(plan.begin, of: Rank(0))), arrived)
    phases.beginStep(at: begin)
    let sent = min(runtime.clocks.local(plan.stamp, of: Rank(0)), arrived)
    if sent > begin { phases.blame(0, nanoseconds: sent - begin, .plan) }
  }

  /// Forgets every sequence: the next loop starts with none.
  func releaseAll() { sequences.removeAll() }

  /// Carries out one step and returns this rank's outcome, encoded. Collective.
  ///
  /// What goes wrong with one sequence (logits that are not finite) is reported in the outcome; failures of the run
  /// itself are thrown.
  func execute(_ plan: StepPlan) throws -> [UInt8] {
    for id in plan.releases { sequences[id] = nil }
    for admission in plan.admissions where isOwn(admission.home) {
      let sequence = HomeSequence(admission)
      for block in admission.blocks { try sequence.append(block: block, of: cache) }
      try sequence.copyBeginning(admission, in: cache)
      try sequence.takeState(admission, of: states, runtime.compute)
      sequences[admission.id] = sequence
    }
    for growth in plan.growths { try sequences[growth.id]?.append(block: growth.block, of: cache) }
    own.removeAll(keepingCapacity: true)
    ownMasks.removeAll(keepingCapacity: true)
    ownPlaces.removeAll(keepingCapacity: true)
    var mask = 0
    for (i, item) in plan.items.enumerated() {
      while mask < plan.masks.count, plan.masks[mask].item < i { mask += 1 }
      guard isOwn(item.home) else { continue }
      own.append(item)
      ownPlaces.append(i)
      ownMasks.append(mask < plan.masks.count && plan.masks[mask].item == i ? mask : nil)
    }
    // Other ranks count on these tokens: a plan that cannot be followed ends the run.
    try fillBatch(own)
    try fillSnapshots(plan.snapshots)
    try keepDraftStates(own)
    telemetry.beginStep(plan.kind)
    plan.countRows(&rowsByRank)
    try dispatcher?.beginStep(rowsByRank: rowsByRank)
    routing.clear()
    let isTraced =
      routingLog != nil || own.contains { !$0.drafts.isEmpty || sequences[$0.id]?.scoring?.returnsRouting == true }
    let output = try decoder.forward(batch, routing: isTraced ? routing : nil)
    phases.enter(.sampling)
    findResults(own, output, masks: plan.masks)
    countKept(own)
    if answers { routingLog?.add(own, counts: keptCounts, kind: plan.kind, step: stepNumber, routing: routing) }
    outcome.predictions.removeAll(keepingCapacity: true)
    outcome.predictionWidth = 1
    let blockSize = plan.predicts ? decoder.blockSize : nil
    if blockSize != nil {
      decoder.readAhead(batch)
    } else if plan.predicts {
      try predict(own, routing: isTraced ? routing : nil)
    }
    takeBackStates(own)
    // Blocks go on from what is right.
    if let blockSize { try predictBlocks(plan, size: blockSize) }
    if answers, isTraced { countRejected(own) }
    // The other ranks have sampled and guessed the same tokens, to go on after them.
    if !answers {
      outcome.results.removeAll(keepingCapacity: true)
      outcome.predictions.removeAll(keepingCapacity: true)
    }
    outcome.interrupted = Interrupt.requested
    countStep()
    outcome.stamp = Timestamp.now()
    writer.clear()
    outcome.encode(to: &writer)
    return writer.bytes
  }

  /// Whether this rank feeds the sequences of that home: its own, or all where it computes a slice of each.
  func isOwn(_ home: Rank) -> Bool { decoder.description.slice != nil || home == runtime.communicator.rank }

  /// Whether this rank tells what became of the sequences that it feeds: of those that all feed rank 0 does, their
  /// home.
  var answers: Bool { decoder.description.slice == nil || runtime.communicator.isRoot }

  /// Tells in the outcome what the step's expert layers did.
  private func countStep() {
    telemetry.endTraffic()
    let sent = telemetry.traffic.total
    outcome.bytesSent = sent.bytes
    outcome.messagesSent = sent.messages
    guard decoder.description.moe != nil else { return }
    outcome.visits.replace(with: telemetry.stepVisits)
    outcome.experts.replace(with: telemetry.stepDistinct)
    outcome.expertsVisited = telemetry.stepDistinct.reduce(0) { $0 + Int($1) }
  }

  private func fillBatch(_ items: [StepPlan.Item]) throws(InferenceError) {
    batch.clear()
    stepNumber += 1
    for item in items {
      guard let sequence = sequences[item.id] else {
        throw .malformedPlan("it feeds sequence \(item.id.value), which nobody admitted")
      }
      // Twice would leave the first chunk with a block table that the second has outgrown.
      guard sequence.lastStep != stepNumber else { throw .malformedPlan("it feeds a sequence twice") }
      sequence.lastStep = stepNumber
    }
    for item in items {
      guard let sequence = sequences[item.id] else { continue }
      let end = item.start + item.count
      // Drafts come after the last token there is.
      let known = end - item.drafts.count
      guard item.drafts.isEmpty ? known <= sequence.tokens.count : known == sequence.tokens.count else {
        throw .malformedPlan(
          """
          it feeds \(known) tokens of sequence \(item.id.value), which has \(sequence.tokens.count), and \
          \(item.drafts.count) drafts
          """
        )
      }
      let tokens = sequence.tokens[item.start..<known]
      let vocabulary = decoder.description.vocabularySize
      guard tokens.allSatisfy({ $0 >= 0 && Int($0) < vocabulary }),
        item.drafts.allSatisfy({ $0 >= 0 && Int($0) < vocabulary })
      else {
        throw .malformedPlan("it feeds sequence \(item.id.value) tokens outside the vocabulary")
      }
      guard KeyValueCache.blockCount(tokens: end) <= sequence.blockCount else {
        throw .malformedPlan(
          "it feeds \(end) tokens of sequence \(item.id.value), which has \(sequence.blockCount) cache blocks")
      }
      batch.chunks.append(
        DecoderBatch.Chunk(
          firstRow: batch.tokens.count, count: item.count, startPosition: item.start,
          blocks: UnsafePointer(sequence.table.pointer), outputs: item.outputs, state: sequence.state))
      batch.tokens.append(contentsOf: tokens)
      batch.tokens.append(contentsOf: item.drafts)
    }
  }

  private func fillSnapshots(_ snapshots: [StepPlan.Snapshot]) throws(InferenceError) {
    for snapshot in snapshots {
      guard let chunk = ownPlaces.firstIndex(of: snapshot.item) else { continue }
      guard snapshot.slot >= 0, Int(snapshot.slot) < states.slotCount else {
        throw .malformedPlan("it keeps recurrent state \(snapshot.slot) of the \(states.slotCount) there are")
      }
      batch.snapshots.append(
        DecoderBatch.Snapshot(
          chunk: chunk, count: snapshot.position - batch.chunks[chunk].startPosition,
          state: states.address(ofSlot: snapshot.slot)))
    }
  }
}

extension [Int32] {
  /// Becomes `other` in its own memory.
  fileprivate mutating func replace(with other: [Int32]) {
    removeAll(keepingCapacity: true)
    append(contentsOf: other)
  }
}
