import Backpropagation
import ExpertParallelism
import Fabric
import Gradients
import Kernels
import Machine
import ModelRuntime
import MoEModel
import Telemetry
import Tensors
import Training
import TreeReduction

/// Takes steps of a training: the forward pass that serves a model, the backward pass, the sums over ranks, and the
/// update.
///
/// Each rank has a run of a step's sequences, its *leaves*. Nothing depends on which: the same data, seed and steps
/// give the same weights on any number of ranks and threads. Collective throughout.
package final class Trainer {
  package let model: TrainedModel
  let description: DecoderDescription
  let communicator: any Communicator
  private let compute: GradientCompute
  private let mostSequences: Int
  let decoder: Decoder
  private let dispatchers: [ClusterDispatcher]
  private let backward: (LeafGradients) -> Backpropagation
  private var pass: (gradients: LeafGradients, backward: Backpropagation)?
  private(set) var batch: StepBatch
  /// Rows of the batches of all ranks.
  private var rowsByRank: [Int] = []
  private let muonScratches: [MuonScratch]
  let telemetry: RankTelemetry
  /// Time by phase of steps, and around them.
  package let clock = TrainingClock()
  /// Of the last step.
  package private(set) var stepTime = TrainingStepTime()
  /// The least that steps had to send in reductions.
  private(set) var traffic = TrainingTraffic()

  /// `loaded` is the model in bf16, or in fp32 where nothing `rounds`; where its rows are bf16, so are the operands of
  /// the backward pass's products. `sequenceLength`: the most rows of a sequence; `mostSequences`: leaves that are
  /// scored at a time, over all ranks; `capacity`: of a rank in a step. With `recomputes` only layers' inputs are kept
  /// for the backward pass.
  package init(
    _ loaded: LoadedModel, runtime: ClusterRuntime, optimizer: OptimizerKind, sequenceLength: Int, mostSequences: Int,
    capacity: StepCapacity, rounds: Bool, recomputes: Bool
  ) throws {
    let (description, communicator) = (loaded.description, runtime.communicator)
    try description.checkTrainable(sequenceLength: sequenceLength)
    let compute = GradientCompute(
      runtime.compute, precision: loaded.weights.rowFormat == .bfloat16 ? .bfloat16 : .float32)
    (self.description, self.communicator, self.compute) = (description, communicator, compute)
    self.mostSequences = mostSequences
    muonScratches = (0..<runtime.compute.workerCount).map { _ in MuonScratch() }
    let (placement, telemetry) = (loaded.placement, loaded.telemetry)
    self.telemetry = telemetry
    let model = TrainedModel(
      description, weights: loaded.weights, optimizer: optimizer, owner: { placement.base.owners[$0] },
      communicator: communicator, compute: runtime.compute, telemetry: telemetry, rounds: rounds)
    self.model = model
    batch = try StepBatch(description, capacity)
    let kept: KeptActivations = recomputes ? .inputs : .all
    var experts: Decoder.Experts?
    var backwardExperts: Decoder.Experts?
    var dispatchers: [ClusterDispatcher] = []
    if let moe = description.moe {
      let bank = ExpertBank(
        description, moe: moe, weights: loaded.weights, compute: runtime.compute, kept: kept)
      let ways = [
        (tokens: bank.rowFormat, width: description.hiddenSize),
        (tokens: .float32, width: description.hiddenSize + moe.topK),
      ]
      let made: [ClusterDispatcher] =
        try communicator.size == 1
        ? []
        : ways.map { tokens, width in
          let wire = WireFormat(hiddenSize: description.hiddenSize, tokens: tokens, outputSize: width)
          return ClusterDispatcher(
            communicator: communicator, placement: placement, compute: runtime.compute, wire: wire, topK: moe.topK,
            telemetry: telemetry, clocks: runtime.clocks,
            channels: try ExpertChannels(
              communicator, placement: placement, wire: wire, topK: moe.topK, batchTokens: capacity.rows,
              hostOfRank: runtime.clocks.hostOfRank), gathersVisits: true)
        }
      dispatchers = made
      // A rank that has all experts sends nothing, and so plans nothing.
      let metered: [any ExpertDispatcher] =
        communicator.size == 1
        ? ways.map {
          MeteredLocalDispatcher(LocalDispatcher(compute: runtime.compute, hiddenSize: $0.width), telemetry: telemetry)
        } : made.map { MeteredDispatcher($0, telemetry: telemetry) }
      experts = Decoder.Experts(MeteredExperts(bank, telemetry: telemetry), through: metered[0])
      backwardExperts = Decoder.Experts(
        MeteredExperts(
          ExpertBackward(description, moe: moe, bank: bank, values: model, compute: compute),
          telemetry: telemetry), through: metered[1])
    }
    self.dispatchers = dispatchers
    decoder = Decoder(
      description, weights: loaded.weights, compute: runtime.compute, cache: batch.cache, experts: experts,
      phases: telemetry.recorder, kept: kept)
    backward = {
      Backpropagation(
        description, values: model, gradients: $0, compute: compute, experts: backwardExperts,
        phases: telemetry.recorder)
    }
  }

  /// Gets ready for the first step: brings the model's numbers to where the passes see them.
  package func begin() throws {
    try model.prepare(LeafTree(counts: Array(repeating: 0, count: communicator.size)))
    try model.refresh()
    telemetry.reset()
  }

  /// The leaves of a step of `count` that each rank has.
  private func leaves(of rank: Int, count: Int) -> Range<Int> {
    Self.leaves(of: rank, count: count, rankCount: communicator.size)
  }

  static func leaves(of rank: Int, count: Int, rankCount: Int) -> Range<Int> {
    (count * rank / rankCount)..<(count * (rank + 1) / rankCount)
  }

  /// A step's time: of `body`, which updates the model once or several times.
  package func timed<T>(_ body: () throws -> T) rethrows -> T {
    clock.beginStep()
    defer { stepTime = clock.endStep() }
    return try body()
  }

  /// The leaves of a step of `count` that this rank has.
  package func ownLeaves(count: Int) -> Range<Int> { leaves(of: communicator.rank.index, count: count) }

  /// One update of the model, inside of `timed`: `number` counts from 1; `leaf` reads a leaf, of as many rows as
  /// `rowsByLeaf` says: own ones are read in their order. One that is not `accepted` leaves the model as it is; that
  /// must be the same on all ranks.
  package func update(
    _ number: Int, rowsByLeaf: [Int], loss rowLoss: any RowLoss, settings: StepSettings,
    accepted: (StepResult) -> Bool, leaf: (_ number: Int, _ rows: inout LeafRows) throws -> Void
  ) throws -> StepResult {
    let counts = (0..<communicator.size).map { leaves(of: $0, count: rowsByLeaf.count).count }
    let (gradients, backward) = try prepare(LeafTree(counts: counts))
    defer { model.endReduction() }
    try read(rowsByLeaf, leaf)
    gradients.begin(batch.leaves)
    model.clearExpertGradients()
    clock.enter(.agreement)
    let counted = try clock.wait {
      try communicator.allReduce([Int64(batch.predictedCount), Int64(batch.predictedAheadCount)], .sum)
    }
    let (predicted, predictedAhead) = (Int(counted[0]), Int(counted[1]))
    var objective = settings.objective
    objective.factor = 1 / Float(max(predicted, 1))
    objective.aheadFactor = settings.predictionLoss / Float(max(predictedAhead, 1))

    try record(.forward, .forwardPass) {
      _ = try decoder.forward(batch.decoderBatch)
      try decoder.predict(batch.decoderBatch, next: batch.next)
    }
    if let taught = rowLoss as? any TaughtLoss {
      clock.enter(.forward)
      try taught.begin(batch.decoderBatch, rowsByRank: rowsByRank)
    }
    let loss = try record(.backward, .backwardPass) {
      try backward.run(
        decoder, batch.decoderBatch, next: batch.next, targets: batch.targets, rowLoss, objective: objective,
        whole: { try model.beginReduction(ofLayer: $0, gradients) })
    }
    clock.enter(.agreement)
    let (loads, total) = try clock.wait {
      (try addUp(loss.loads), try TotalLoss(loss, over: communicator, leaves: counts))
    }
    try exchange(.reduction) { try model.reduce(gradients) }
    clock.enter(.norm)
    let (norm, badGradient) = try model.gradientNorm(clock)
    let result = StepResult(
      loss: total.crossEntropy / Double(max(predicted, 1)),
      predictionLoss: description.predicts ? total.ahead / Double(max(predictedAhead, 1)) : nil,
      balanceLoss: total.balance, predicted: predicted, gradientNorm: norm.value, loads: loads,
      fault: try fault(total, badGradient: badGradient))
    traffic.addSums(model.parameters, contributors: counts.count { $0 > 0 })
    guard accepted(result) else { return result }
    clock.enter(.update)
    try update(number, settings, factor: norm.clipFactor(maximum: settings.clip), loads: loads)
    try exchange(.gather) { try model.refresh() }
    traffic.addGather(model.parameters, ranks: communicator.size)
    return result
  }

  /// One of the passes, with an account of its phases.
  private func record<T>(_ phase: TrainingPhase, _ kind: StepKind, _ body: () throws -> T) rethrows -> T {
    telemetry.beginStep(kind)
    telemetry.recorder.beginStep(at: clock.enter(phase))
    let made = try body()
    telemetry.endTraffic()
    clock.waited(telemetry.recorder.endStep(kind).communication)
    return made
  }

  /// A phase of reductions.
  private func exchange(_ phase: TrainingPhase, _ body: () throws -> Void) rethrows {
    clock.enter(phase)
    let before = model.reductionWait
    try body()
    clock.waited(model.reductionWait &- before)
  }

  /// −log p of each predicted token of some leaves, of as many rows as `rows` says, added up, and their number: nothing
  /// is learnt.
  package func score(
    leafCount: Int, rows: (_ number: Int) -> Int, leaf: (_ number: Int, _ rows: inout LeafRows) throws -> Void
  ) throws -> (loss: Double, predicted: Int) {
    telemetry.recorder.isEnabled = false
    defer { telemetry.recorder.isEnabled = true }
    var (loss, predicted) = (0.0, 0)
    // As many at a time on any number of ranks: so are their losses added.
    for first in stride(from: 0, to: leafCount, by: mostSequences) {
      let part = first..<min(first + mostSequences, leafCount)
      try read(part.map(rows)) { try leaf(first + $0, &$1) }
      _ = try decoder.forward(batch.decoderBatch)
      let total = try TotalLoss(
        TargetLoss(decoder, compute.compute).measure(batch.leaves, targets: batch.targets.next), over: communicator,
        leaves: (0..<communicator.size).map { leaves(of: $0, count: part.count).count })
      loss += total.crossEntropy
      predicted += total.predicted
    }
    return (loss, predicted)
  }

  /// What `loss` finds in leaves, of which nothing is learnt. Collective, inside of `timed`.
  package func measure(
    rowsByLeaf: [Int], loss: any RowLoss, leaf: (_ number: Int, _ rows: inout LeafRows) throws -> Void
  ) throws {
    clock.enter(.data)
    try read(rowsByLeaf, leaf)
    _ = try record(.forward, .forwardPass) { try decoder.forward(batch.decoderBatch) }
    let losses = TargetLoss(decoder, compute.compute)
    for leaf in batch.leaves { _ = losses.measure(leaf.rows, targets: batch.targets.next, loss) }
  }

  /// The experts that the tokens of this rank's leaves choose, by layer. Collective, inside of `timed`.
  package func routes(
    rowsByLeaf: [Int], leaf: (_ number: Int, _ rows: inout LeafRows) throws -> Void
  ) throws -> [RoutingTrace.Layer] {
    clock.enter(.data)
    try read(rowsByLeaf, leaf)
    let trace = RoutingTrace()
    _ = try record(.forward, .forwardPass) { try decoder.forward(batch.decoderBatch, routing: trace) }
    return Array(trace.layers)
  }

  /// Takes this rank's leaves, and tells all ranks how many rows there are.
  private func read(_ rowsByLeaf: [Int], _ leaf: (_ number: Int, _ rows: inout LeafRows) throws -> Void) throws {
    let shares = (0..<communicator.size).map { leaves(of: $0, count: rowsByLeaf.count) }
    try agree(on: communicator) { try batch.fill(ownLeaves(count: rowsByLeaf.count), leaf) }
    rowsByRank = shares.map { rowsByLeaf[$0].reduce(0, +) }
    for dispatcher in dispatchers { try dispatcher.beginStep(rowsByRank: rowsByRank) }
  }

  private func prepare(_ tree: LeafTree) throws -> (gradients: LeafGradients, backward: Backpropagation) {
    if let pass, pass.gradients.tree == tree { return pass }
    try model.prepare(tree)
    let gradients = LeafGradients(model.shared, tree: tree, rank: communicator.rank, compute: compute)
    let made = (gradients, backward(gradients))
    pass = made
    return made
  }

  /// By layer, the tokens of the whole step that chose each expert. Collective.
  private func addUp(_ loads: [Int: [Int]]) throws -> [Int: [Int]] {
    guard let moe = description.moe else { return [:] }
    let layers = description.moeLayers
    var counts: [Int64] = []
    for layer in layers {
      counts += loads[layer]?.map { Int64($0) } ?? Array(repeating: 0, count: moe.expertCount)
    }
    counts = try communicator.allReduce(counts, .sum)
    return Dictionary(
      uniqueKeysWithValues: layers.enumerated().map { place, layer in
        let first = place * moe.expertCount
        return (layer, counts[first..<(first + moe.expertCount)].map { Int($0) })
      })
  }

  private func update(_ number: Int, _ settings: StepSettings, factor: Float, loads: [Int: [Int]]) throws {
    for parameter in model.parameters where parameter.rule == .balance {
      guard !parameter.own.isEmpty, let layer = parameter.spec.layer, let counts = loads[layer] else { continue }
      let master = parameter.numbers(.master)
      var bias = Array(master.buffer[..<parameter.own.count])
      LoadBalance.update(&bias, loads: counts, speed: settings.balanceSpeed)
      for (i, value) in bias.enumerated() { master.pointer[i] = value }
    }
    updateByAdamW(number, settings, factor: factor)
    updateByMuon(settings, factor: factor)
  }

  /// Workers take a part of each parameter.
  private func updateByAdamW(_ number: Int, _ settings: StepSettings, factor: Float) {
    let parameters = model.parameters.filter { $0.rule == .adamW }
    let steps = parameters.map { parameter in
      let rate = settings.learningRate * (parameter.spec.role == .router ? settings.routerRate : 1)
      return settings.adamW.step(number, learningRate: rate, decays: parameter.spec.decays)
    }
    let compute = compute.compute
    compute.pool.run { worker in
      for (parameter, step) in zip(parameters, steps) {
        let share = compute.share(of: parameter.own.count, worker: worker)
        let at = share.lowerBound
        step.update(
          weights: parameter.numbers(.master).pointer + at,
          firstMoment: parameter.numbers(.firstMoment).pointer + at,
          secondMoment: parameter.numbers(.secondMoment).pointer + at, gradient: parameter.gradient.pointer + at,
          factor: factor, count: share.count)
      }
    }
  }

  /// Workers take whole matrices, the largest first.
  private func updateByMuon(_ settings: StepSettings, factor: Float) {
    let parameters = model.parameters.filter { $0.rule == .muon && !$0.own.isEmpty }
      .sorted { ($1.spec.elementCount, $0.name) < ($0.spec.elementCount, $1.name) }
    guard !parameters.isEmpty else { return }
    let (next, scratches, compute) = (TaskCounter(), muonScratches, compute)
    compute.compute.pool.run { worker in
      let products = WorkerProducts(compute, worker: worker)
      while true {
        let task = next.take()
        guard task < parameters.count else { return }
        let parameter = parameters[task]
        func view(_ buffer: AlignedBuffer<Float>) -> MatrixView<Float> {
          MatrixView(buffer.pointer, rows: parameter.spec.rows, columns: parameter.spec.columns)
        }
        settings.muon.update(
          weights: view(parameter.numbers(.master)), momentum: view(parameter.numbers(.momentum)),
          gradient: view(parameter.gradient), factor: factor, learningRate: settings.learningRate, products: products,
          scratch: scratches[worker])
      }
    }
  }
}
