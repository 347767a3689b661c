import Backpropagation
import Checkpoints
import ExpertParallelism
import Fabric
import JSON
import ModelRuntime
import MoEModel
import Training

/// A training from its first step, or from where it was left, to its last: data, steps, scores of held-out data,
/// checkpoints.
///
/// Every rank runs it; all take the same steps. What a rank does depends on nothing but seed, step and data.
package final class TrainingLoop {
  private let settings: TrainingSettings
  let model: LoadedModel
  let runtime: ClusterRuntime
  private let source: any TrainingSource
  private let recipe: JSONValue
  let trainer: Trainer
  private let plan: SavePlan
  let communicator: any Communicator
  private let saver: CheckpointSaver
  private var checkpoints: CheckpointMode?
  private var watch = StepWatch()
  /// Steps done.
  package private(set) var step = 0
  /// The last that lies on the disk.
  private var savedStep = 0
  private var position = 0
  private var tokens = 0

  /// Of text.
  package convenience init(
    _ model: LoadedModel, runtime: ClusterRuntime, data: TrainingData, heldOut: TrainingData?, companions: Companions,
    settings: TrainingSettings, thread: WriterThread, initial: @escaping TrainedModel.Source
  ) throws {
    let source = try TextSource(data, heldOut: heldOut, batch: settings.batch, on: runtime.communicator)
    try self.init(
      model, runtime: runtime, source: source, companions: companions, settings: settings, thread: thread,
      initial: initial)
  }

  /// `initial` gives the numbers of a new training's masters. Only rank 0 writes to the folder, on `thread`.
  /// Collective; fails on all ranks together.
  package init(
    _ model: LoadedModel, runtime: ClusterRuntime, source: any TrainingSource, companions: Companions,
    settings: TrainingSettings, thread: WriterThread, initial: @escaping TrainedModel.Source
  ) throws {
    (self.settings, self.model, self.runtime, self.source) = (settings, model, runtime, source)
    (communicator, checkpoints) = (runtime.communicator, settings.checkpoints)
    var recipe = settings.recipe.object ?? JSONObject()
    for (key, value) in source.recipe.object?.members.map({ ($0.key, $0.value) }) ?? [] { recipe[key] = value }
    self.recipe = .object(recipe)
    let communicator = runtime.communicator
    try agree(on: communicator) { try settings.check() }
    try Self.compare(source.fingerprint, on: communicator)
    plan = SavePlan(model.description, optimizer: settings.optimizer, predicts: model.description.predicts)
    let plan = plan
    let writer = try agree(on: communicator) { () -> CheckpointWriter? in
      guard communicator.isRoot else { return nil }
      let folder = try TrainingFolder(
        path: settings.folder, keep: settings.keep, pinEvery: settings.pinEvery, resume: settings.resumes)
      let writer = CheckpointWriter(folder, plan, companions: companions, predictionLayers: 1)
      try folder.checkSpace(for: writer.byteCount)
      return writer
    }
    trainer = try Trainer(
      model, runtime: runtime, optimizer: settings.optimizer, sequenceLength: settings.sequenceLength,
      mostSequences: settings.batch.last,
      capacity: source.capacity
        ?? StepCapacity(leaves: settings.batch.last, length: settings.sequenceLength, ranks: communicator.size),
      rounds: true, recomputes: settings.recomputes)
    let placement = model.placement.base
    saver = CheckpointSaver(trainer.model, runtime: runtime, plan: plan, writer: writer, thread: thread) { spec in
      spec.expert.map { placement.owners[$0] }
    }
    if let step = try latestStep() {
      try resume(step)
    } else {
      try agree(on: communicator) { try trainer.model.fill([.master], from: initial) }
    }
    try checkNumbers()
    try agree(on: communicator) { if let options = settings.options { try writer?.writeRecipe(options) } }
    try trainer.begin()
  }

  /// Throws where this training's numbers are not all finite. Collective.
  private func checkNumbers() throws {
    if let what = try trainer.model.firstNotFinite() {
      throw DistributedTrainingError.notFinite(step: step, what: what)
    }
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
      guard record.seed == settings.seed, record.dataFingerprint == source.fingerprint else {
        throw TrainingError.badOption(
          "the training in \(settings.folder.debugDescription)", "of other data or another seed (\(record.seed))",
          "give the same --data, --sequence-length and --seed, or another --out")
      }
      for key in recipe.object?.keys ?? [] where record.recipe[key] != recipe[key] {
        throw TrainingError.badOption(
          "\(key) of the training in \(settings.folder.debugDescription)", record.recipe[key]?.text() ?? "missing",
          "this run has \(recipe[key]?.text() ?? "none"): give the same, or another --out")
      }
      try saved.verify(share: communicator.rank.index, of: communicator.size)
      let all: Set<StatePart> = Set(StatePart.allCases)
      try trainer.model.fill(all) { try saved.read($0, of: $1.id, from: $2, into: $3) }
      guard let watch = StepWatch(json: record.memory) else {
        throw StateError.damagedRecord(path: saved.path, reason: "what it remembers of the last steps is no such thing")
      }
      savedStep = record.step
      (self.step, position, tokens, self.watch) = (record.step, record.position, record.tokenCount, watch)
    }
  }

  /// Throws on all ranks where they see other data.
  static func compare(_ fingerprint: [UInt8], on communicator: any Communicator) throws {
    let all = try communicator.allGather(fingerprint)
    if let other = all.firstIndex(where: { $0 != all[0] }) { throw DistributedTrainingError.otherData(rank: other) }
  }

  /// Runs to the last step. `shouldStop` is asked on rank 0 after each step; a training that is told to stop saves
  /// first, and one that fails on all ranks together ends the checkpoint under way.
  package func run(shouldStop: () -> Bool = { false }, onEvent: (TrainingEvent) throws -> Void) throws {
    if step > 0 {
      try onEvent(.resumed(step: step, path: TrainingFolder.modelPath(of: step, in: settings.folder)))
    } else if settings.savesInitial {
      try save(waits: true, onEvent)
    }
    do { try takeSteps(shouldStop, onEvent) } catch  where DistributedTrainingError.isCommon(error) {
      try tellSaved(try saver.finish(), onEvent)
      throw error
    }
  }

  private func takeSteps(_ shouldStop: () -> Bool, _ onEvent: (TrainingEvent) throws -> Void) throws {
    while step < settings.steps {
      let report: StepReport
      do { report = try reportedStep() } catch is StepInterrupted { return try saveWhatIsDone(onEvent) }
      try onEvent(.step(report))
      let stops = try communicator.allReduceMax(communicator.isRoot && shouldStop() ? 1 : 0) == 1
      let isLast = step == settings.steps || stops
      let isDue = isLast || step % settings.saveEvery == 0
      try tellSaved(try saving { isDue ? try saver.finish() : try saver.advance() }, onEvent)
      if isDue { try save(waits: isLast, onEvent) }
      if stops { return }
    }
  }

  private func reportedStep() throws -> StepReport {
    var report = try takeStep()
    if step == settings.steps || settings.scoreEvery > 0 && step % settings.scoreEvery == 0 {
      // Told to stop while answers are sampled: the step is done all the same.
      do { report.heldOut = try score() } catch is StepInterrupted {}
    }
    return report
  }

  /// What a training that is told to stop in the middle of a step does: the step is as if it had never begun.
  private func saveWhatIsDone(_ onEvent: (TrainingEvent) throws -> Void) throws {
    try tellSaved(try saving { try saver.finish() }, onEvent)
    if step > 0, step != savedStep { try save(waits: true, onEvent) }
  }

  /// One step, and what came of it; one with a fault changes nothing.
  private func takeStep() throws -> StepReport {
    let start = ContinuousClock.now
    let (number, first) = (step + 1, position)
    var fault: StepFault?
    let result = try source.takeStep(
      number, position: first, on: trainer, settings: stepSettings(number),
      accepted: {
        let found = watch.fault(of: $0, settings.badSteps)
        fault = fault ?? found
        return found == nil
      })
    var skipped: StepReport.Skipped?
    if let fault {
      let what = try source.words(
        for: fault, ofStep: number, position: first, on: trainer, settings: stepSettings(number))
      guard settings.badSteps.action == .skip else { throw DistributedTrainingError.badStep(step: number, what: what) }
      guard watch.skippedInRow < settings.badSteps.mostInRow else {
        throw DistributedTrainingError.skippedTooMany(step: number, count: watch.skippedInRow, what: what)
      }
      watch.noteSkipped()
      skipped = StepReport.Skipped(count: watch.skipped, reason: what)
    } else if result.predicted > 0 {
      watch.noteGood(result)
    }
    (step, position, tokens) = (number, first + source.placeCount(ofStep: number), tokens + result.predicted)
    return StepReport(
      number: number, result: result, learningRate: settings.learningRate.value(ofStep: number), tokens: tokens,
      seconds: (ContinuousClock.now - start) / .seconds(1), communication: trainer.stepTime.communication,
      skipped: skipped, policy: source.lastStep, distillation: source.lastDistillation)
  }

  private func stepSettings(_ number: Int) -> StepSettings {
    var step = StepSettings(learningRate: settings.learningRate.value(ofStep: number))
    (step.adamW, step.muon, step.clip) = (settings.adamW, settings.muon, settings.clip)
    step.balanceSpeed = settings.balanceSpeed.value(ofStep: number)
    step.routerRate = settings.routerRate
    step.predictionLoss = Float(settings.predictionLoss?.value(ofStep: number) ?? 0)
    step.objective.balance = Float(settings.balanceLoss)
    step.headZLoss = Float(settings.headZLoss)
    step.objective.routerZLoss = Float(settings.routerZLoss)
    return step
  }

  private func score() throws -> HeldOutScore? {
    trainer.clock.enter(.score)
    defer { trainer.clock.leave() }
    return try source.score(on: trainer)
  }

  /// Saves what the last step left, after a look at whether it may be; rank 0 writes, all give what they own.
  private func save(waits: Bool, _ onEvent: (TrainingEvent) throws -> Void) throws {
    try checkNumbers()
    var record = StateRecord(
      step: step, seed: settings.seed, position: position, tokenCount: tokens, optimizer: settings.optimizer,
      dataFingerprint: source.fingerprint, recipe: recipe, config: model.checkpoint.config)
    record.memory = watch.json
    let mode = waits ? .waiting : try checkpointMode(onEvent)
    try saving { try saver.begin(record, mode) }
    if mode == .waiting { try tellSaved(try saving { try saver.finish() }, onEvent) }
  }

  /// What steps wait for checkpoints.
  private func saving<T>(_ body: () throws -> T) rethrows -> T {
    trainer.clock.enter(.checkpoint)
    defer { trainer.clock.leave() }
    return try body()
  }

  /// As asked for; where nothing was, in the background if every host has the memory for it when the first one is due.
  private func checkpointMode(_ onEvent: (TrainingEvent) throws -> Void) throws -> CheckpointMode {
    if let checkpoints { return checkpoints }
    let (needed, available) = try saver.backgroundMemory()
    // A tenth stays for whatever else may come.
    let mode: CheckpointMode = needed <= available / 10 * 9 ? .background : .waiting
    checkpoints = mode
    if mode == .waiting { try onEvent(.waitsForCheckpoints(needed: needed, available: available)) }
    return mode
  }

  private func tellSaved(_ saved: CheckpointSaver.Saved?, _ onEvent: (TrainingEvent) throws -> Void) throws {
    guard let saved else { return }
    savedStep = saved.step
    let path = TrainingFolder.modelPath(of: saved.step, in: settings.folder)
    try onEvent(.saved(step: saved.step, path: path, seconds: saved.seconds))
  }
}
