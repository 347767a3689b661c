import Checkpoints
import Fabric
import JSON
import ModelRuntime
import MoEModel
import Training

/// A training from its first step, or from where it was left, to its last: data, steps, scores of held-out data, checkpoints.
///
/// Every rank runs it; all take the same steps. What a rank does depends on nothing but seed, step and data.
package final class Pretraining {
  private let settings: PretrainingSettings
  private let model: LoadedModel
  private let runtime: ClusterRuntime
  private let data: TrainingData
  private let heldOut: TrainingData?
  private let trainer: Trainer
  private let plan: SavePlan
  private let communicator: any Communicator
  private let writer: CheckpointWriter?
  private var step = 0
  private var position = 0
  private var tokens = 0

  /// `initial` gives the numbers of a new training's masters. Only rank 0 writes to the folder. Collective; fails on all ranks together.
  package init(
    _ model: LoadedModel, runtime: ClusterRuntime, data: TrainingData, heldOut: TrainingData?, companions: Companions,
    settings: PretrainingSettings, initial: @escaping TrainedModel.Source
  ) throws {
    (self.settings, self.model, self.runtime, self.data) = (settings, model, runtime, data)
    (self.heldOut, communicator) = (heldOut, runtime.communicator)
    let communicator = runtime.communicator
    try agree(on: communicator) { try settings.check() }
    try Self.compare(data.fingerprint + (heldOut?.fingerprint ?? []), on: communicator)
    plan = SavePlan(model.description, optimizer: settings.optimizer, predicts: model.description.predicts)
    let plan = plan
    writer = try agree(on: communicator) {
      guard communicator.isRoot else { return nil }
      let folder = try TrainingFolder(path: settings.folder, keep: settings.keep, resume: settings.resumes)
      return CheckpointWriter(folder, plan, companions: companions, predictionLayers: 1)
    }
    trainer = try Trainer(
      model, runtime: runtime, optimizer: settings.optimizer, sequenceLength: settings.sequenceLength,
      mostSequences: settings.batch.last, recomputes: settings.recomputes)
    if let step = try latestStep() {
      try resume(step)
    } else {
      try agree(on: communicator) { try trainer.model.fill([.master], from: initial) }
    }
    try trainer.begin()
  }

  /// The step that all ranks go on from; nil for a new training.
  private func latestStep() throws -> Int? {
    let found = settings.resumes && communicator.isRoot ? TrainingFolder.latestStep(in: settings.folder) ?? -1 : -1
    let step = Int(try communicator.allReduceMax(Int64(found)))
    return step < 0 ? nil : step
  }

  private func resume(_ step: Int) throws {
    try agree(on: communicator) {
      let saved = try SavedState(
        folder: settings.folder, step: step, description: model.description, config: model.checkpoint.config, plan: plan
      )
      let record = saved.record
      guard record.seed == settings.seed, record.dataFingerprint == data.fingerprint else {
        throw TrainingError.badOption(
          "the training in \(settings.folder.debugDescription)", "of other data or another seed (\(record.seed))",
          "give the same --data, --sequence-length and --seed, or another --out")
      }
      for key in settings.recipe.object?.keys ?? [] where record.recipe[key] != settings.recipe[key] {
        throw TrainingError.badOption(
          "\(key) of the training in \(settings.folder.debugDescription)", record.recipe[key]?.text() ?? "missing",
          "this run has \(settings.recipe[key]?.text() ?? "none"): give the same, or another --out")
      }
      try saved.verify(share: communicator.rank.index, of: communicator.size)
      let all: Set<StatePart> = Set(StatePart.allCases)
      try trainer.model.fill(all) { try saved.read($0, of: $1.id, from: $2, into: $3) }
      (self.step, position, tokens) = (record.step, record.position, record.tokenCount)
    }
  }

  /// Throws on all ranks where they see other data.
  private static func compare(_ fingerprint: [UInt8], on communicator: any Communicator) throws {
    let all = try communicator.allGather(fingerprint)
    if let other = all.firstIndex(where: { $0 != all[0] }) {
      throw PretrainingError.ranksDisagree("the data (rank \(other) sees others than rank 0)")
    }
  }

  /// Runs to the last step. `shouldStop` is asked on rank 0 after each step; a training that is told to stop saves first.
  package func run(shouldStop: () -> Bool = { false }, onEvent: (PretrainingEvent) throws -> Void) throws {
    if step > 0 {
      try onEvent(.resumed(step: step, path: TrainingFolder.modelPath(of: step, in: settings.folder)))
    }
    while step < settings.steps {
      let start = ContinuousClock.now
      let (number, first) = (step + 1, position)
      let count = settings.batch.sequenceCount(ofStep: number)
      let result = try trainer.step(number, sequenceCount: count, settings: stepSettings(number)) { leaf, buffer in
        try data.read(position: first + leaf, into: buffer)
      }
      (step, position, tokens) = (number, first + count, tokens + result.predicted)
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let isDue = step == settings.steps || settings.scoreEvery > 0 && step % settings.scoreEvery == 0
      try onEvent(
        .step(
          StepReport(
            number: number, result: result, learningRate: settings.learningRate.value(ofStep: number), tokens: tokens,
            seconds: seconds, heldOutLoss: isDue ? try score() : nil)))
      let stops = try communicator.allReduceMax(communicator.isRoot && shouldStop() ? 1 : 0) == 1
      if stops || step == settings.steps || step % settings.saveEvery == 0 {
        let began = ContinuousClock.now
        try save()
        try onEvent(
          .saved(
            step: step, path: TrainingFolder.modelPath(of: step, in: settings.folder),
            seconds: (ContinuousClock.now - began) / .seconds(1)))
      }
      if stops { return }
    }
  }

  private func stepSettings(_ number: Int) -> StepSettings {
    var step = StepSettings(learningRate: settings.learningRate.value(ofStep: number))
    (step.adamW, step.muon, step.clip) = (settings.adamW, settings.muon, settings.clip)
    step.balanceSpeed = settings.balanceSpeed.value(ofStep: number)
    step.predictionLoss = Float(settings.predictionLoss?.value(ofStep: number) ?? 0)
    step.objective.balance = Float(settings.balanceLoss)
    step.objective.headZLoss = Float(settings.headZLoss)
    step.objective.routerZLoss = Float(settings.routerZLoss)
    return step
  }

  /// Mean −log p of held-out tokens; nil without such.
  private func score() throws -> Double? {
    guard let heldOut else { return nil }
    let (loss, predicted) = try trainer.score(sequenceCount: heldOut.sequenceCount) {
      try heldOut.read(sequence: $0, into: $1)
    }
    return loss / Double(max(predicted, 1))
  }

  /// Writes a checkpoint: rank 0 writes, all give what they own.
  private func save() throws {
    let placement = model.placement
    let gathering = StateGathering(trainer.model, plan: plan) { spec in spec.expert.map { placement.owners[$0] } }
    let record = StateRecord(
      step: step, seed: settings.seed, position: position, tokenCount: tokens, optimizer: settings.optimizer,
      dataFingerprint: data.fingerprint, recipe: settings.recipe, config: model.checkpoint.config)
    var failure: (any Error)?
    if let writer { do { try writer.save(record, from: gathering) } catch { failure = error } }
    try gathering.finish()
    try agree(on: communicator) { if let failure { throw failure } }
  }
}
