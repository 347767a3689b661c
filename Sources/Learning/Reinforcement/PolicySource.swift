import DistributedTraining
import Evaluation
import Fabric
import JSON
import Kernels
import ModelRuntime
import ModelText
import MoEModel
import Rewards
import Training

/// Reinforcement learning of checkable answers: completions are sampled with the model as it is, judged, and the model
/// is updated towards those that are better than others of their group (GRPO and its kin). One model in one memory
/// samples and learns.
package final class PolicySource: TrainingSource {
  /// What a policy is trained by, beside its model.
  package struct Parts {
    package var prompts: PolicyPrompts
    package var heldOut: PolicyPrompts?
    package var rules: RewardRules
    package var codec: TextCodec
    package var stopTokens: Set<Int32>
    package var settings: PolicySettings
    package var seed: UInt64
    /// The training's folder.
    package var folder: String
    /// Where the objective has a penalty.
    package var reference: PolicyReference?
    /// What decides, beside prompts and seed, about what is sampled: the model that the training began with, and its
    /// settings.
    package var identity = ""
    /// Of the model that it began with, where it is the reference: a training goes on with the same.
    package var referenceDigest: String?
    /// The part of memory for rollouts that can be had beyond what must be there (`TrainingBudget.rolloutShare`).
    package var rolloutShare = 1.0

    package init(
      prompts: PolicyPrompts, heldOut: PolicyPrompts?, rules: RewardRules, codec: TextCodec, stopTokens: Set<Int32>,
      settings: PolicySettings, seed: UInt64, folder: String
    ) {
      (self.prompts, self.heldOut, self.rules, self.codec) = (prompts, heldOut, rules, codec)
      (self.stopTokens, self.settings, self.seed, self.folder) = (stopTokens, settings, seed, folder)
    }
  }

  private let parts: Parts
  private var settings: PolicySettings { parts.settings }
  private let communicator: any Communicator
  private let description: DecoderDescription
  private let rollouts: Rollouts
  private let judge: CompletionJudge
  private let loss: PolicyLoss
  private let reading = LogprobReading()
  private let log: RolloutLog?
  private var placesTaken = 0
  package private(set) var lastStep: PolicyReport?
  package let capacity: StepCapacity?

  /// Collective.
  package init(_ parts: Parts, model: LoadedModel, runtime: ClusterRuntime) throws {
    (self.parts, communicator, description) = (parts, runtime.communicator, model.description)
    try agree(on: runtime.communicator) { try parts.settings.check() }
    let settings = parts.settings
    let terms = TrainingLayout.Terms(
      sequenceLength: 1, sequences: 1, rankCount: communicator.size, ranksPerHost: communicator.localSize,
      workerCount: runtime.compute.workerCount)
    rollouts = try Rollouts(
      model, runtime: runtime, sequences: settings.completionCount,
      memory: Self.rollouts(model.description, parts.prompts, heldOut: parts.heldOut, settings, terms),
      share: parts.rolloutShare, stopTokens: parts.stopTokens)
    judge = CompletionJudge(parts.rules, codec: parts.codec, stopTokens: parts.stopTokens, on: communicator)
    loss = PolicyLoss(settings.objective, reference: parts.reference?.model, on: communicator)
    log = runtime.communicator.isRoot ? RolloutLog(folder: parts.folder) : nil
    capacity = Self.capacity(parts.prompts, settings)
  }

  /// What a rank takes to sample.
  package static func rollouts(
    _ description: DecoderDescription, _ prompts: PolicyPrompts, heldOut: PolicyPrompts?, _ settings: PolicySettings,
    _ terms: TrainingLayout.Terms
  ) -> RolloutMemory {
    RolloutMemory(
      description, sequences: settings.completionCount,
      longest: max(prompts.longest, heldOut?.longest ?? 0) + settings.maxNewTokens, terms)
  }

  /// Of an update.
  package static func capacity(_ prompts: PolicyPrompts, _ settings: PolicySettings) -> StepCapacity {
    let sequences = settings.completionCount / settings.objective.updates
    return StepCapacity(rows: sequences * (prompts.longest + settings.maxNewTokens - 1), sequences: sequences)
  }

  package var fingerprint: [UInt8] { parts.prompts.fingerprint + (parts.heldOut?.fingerprint ?? []) }

  package var recipe: JSONValue {
    var recipe = JSONObject([("policy", settings.json), ("reward", parts.rules.json)])
    if let digest = parts.referenceDigest { recipe["reference"] = .string(digest) }
    return .object(recipe)
  }

  package func placeCount(ofStep number: Int) -> Int { placesTaken }

  package func takeStep(
    _ number: Int, position: Int, on trainer: Trainer, settings stepSettings: StepSettings,
    accepted: (StepResult) -> Bool
  ) throws -> StepResult {
    try trainer.timed {
      var step = PolicyReport()
      let groups = try sampleGroups(number, position, trainer, &step)
      let began = ContinuousClock.now
      try parts.reference?.prepare(forStep: number, trainer.model)
      let result = try update(groups, number, trainer, stepSettings, accepted, &step)
      step.updateSeconds = (ContinuousClock.now - began) / .seconds(1)
      lastStep = step
      log?.close()
      return result
    }
  }

  // MARK: Completions

  /// The groups that the step learns from; `step` is told of all that were sampled.
  private func sampleGroups(
    _ number: Int, _ position: Int, _ trainer: Trainer, _ step: inout PolicyReport
  ) throws -> [SampledGroup] {
    var (all, useful): ([SampledGroup], [SampledGroup]) = ([], [])
    placesTaken = 0
    var wanted = settings.promptsPerStep
    for round in 0..<PolicySettings.mostRounds where wanted > 0 {
      let places = (position + placesTaken)..<(position + placesTaken + wanted)
      placesTaken += wanted
      let groups = try sampleGroups(number, places, round, trainer, &step)
      all += groups
      useful += groups.filter(\.hasSignal)
      guard settings.objective.resamples else { break }
      wanted = settings.promptsPerStep - useful.count
    }
    step.note(all)
    step.transcripts = try all.prefix(2).flatMap { try $0.transcripts(judge) }
    return settings.objective.resamples ? useful : all
  }

  private func sampleGroups(
    _ number: Int, _ places: Range<Int>, _ round: Int, _ trainer: Trainer, _ step: inout PolicyReport
  ) throws -> [SampledGroup] {
    trainer.clock.enter(.rollout)
    let began = ContinuousClock.now
    let prompts = places.map { parts.prompts[$0] }
    let size = settings.groupSize
    let requests = Self.requests(places, of: parts.prompts, settings, seed: parts.seed)
    log?.open(step: number, round: round, key: parts.identity)
    let completions = try rollouts.sample(requests, log: log) { prompts[$0 / size].rewarded.number }
    let sampled = ContinuousClock.now
    step.promptTokens += rollouts.promptTokens.all
    step.promptTokensRead += rollouts.promptTokens.read
    step.rolloutSeconds += (sampled - began) / .seconds(1)
    trainer.clock.enter(.reward)
    let verdicts: [RewardVerdict]
    do {
      verdicts = try judge.verdicts(
        completions, prompts: requests.indices.map { prompts[$0 / size] }, tokenLimit: settings.maxNewTokens)
    } catch {
      // What was sampled is not sampled again by a training that goes on.
      try? log?.write(completions)
      throw error
    }
    step.rewardSeconds += (ContinuousClock.now - sampled) / .seconds(1)
    return prompts.enumerated().map { i, prompt in
      let own = (i * size)..<((i + 1) * size)
      return SampledGroup(
        prompt, Array(completions[own]), Array(verdicts[own]),
        dividesByDeviation: settings.objective.dividesByDeviation)
    }
  }

  /// What is sampled for the prompts at some places of the order.
  static func requests(
    _ places: Range<Int>, of prompts: PolicyPrompts, _ settings: PolicySettings, seed: UInt64
  ) -> [RolloutRequest] {
    let seeds = RandomStream(seed: seed, purpose: "completions")
    return places.flatMap { place in
      let tokens = prompts[place].tokens
      return (0..<settings.groupSize).map { sample in
        RolloutRequest(
          prompt: tokens, maxNewTokens: settings.maxNewTokens, temperature: settings.temperature, seeds: seeds,
          place: place, sample: sample)
      }
    }
  }

  // MARK: Updates

  private func update(
    _ groups: [SampledGroup], _ number: Int, _ trainer: Trainer, _ stepSettings: StepSettings,
    _ accepted: (StepResult) -> Bool, _ step: inout PolicyReport
  ) throws -> StepResult {
    let (objective, updates) = (settings.objective, settings.objective.updates)
    let leafCount = settings.leafCount
    var findings = PolicyFindings()
    var result: StepResult?
    var traced: PolicyUpdate?
    var routes: [RoutingTrace.Layer] = []
    // What is refused ends the step: later parts would go on from a model that they were not sampled by and that has
    // not learnt.
    for part in 0..<updates where result?.fault == nil {
      let own = Array(groups[(groups.count * part / updates)..<(groups.count * (part + 1) / updates)])
      var update = PolicyUpdate(own, objective, maxNewTokens: settings.maxNewTokens, leafCount: leafCount)
      guard !update.isEmpty else { continue }
      if step.updates == 0, description.moe != nil {
        let sample = PolicyUpdate(first: PolicySettings.tracedCount, of: update)
        routes = try chosenRoutes(sample, trainer)
        traced = sample
      }
      let leaves = trainer.ownLeaves(count: leafCount)
      if step.updates > 0, objective.ratio == .sequence { try readRatios(&update, leaves, trainer) }
      trainer.clock.enter(.data)
      loss.begin()
      let made = try trainer.update(
        (number - 1) * updates + part + 1, rowsByLeaf: update.plan.rowsByLeaf, loss: loss, settings: stepSettings,
        accepted: accepted, leaf: { update.read($0, into: &$1, loss) })
      result = made.following(result)
      let found = try update.findings(loss, own: leaves, over: communicator)
      if step.updates == 0 { step.maxLogRatio = found.maxLogRatio }
      findings.add(found)
      (step.updates, step.trainedTokens) = (step.updates + 1, step.trainedTokens + update.tokenCount)
    }
    if let traced { step.changedRoutes = try changedShare(routes, try chosenRoutes(traced, trainer)) }
    step.note(findings, hasReference: objective.referencePenalty > 0)
    return result ?? .nothing
  }

  /// log π of whole completions, after updates since they were sampled.
  private func readRatios(_ update: inout PolicyUpdate, _ leaves: Range<Int>, _ trainer: Trainer) throws {
    reading.begin(rowCount: update.plan.rowsByLeaf[leaves].reduce(0, +))
    let read = update
    try trainer.measure(rowsByLeaf: read.plan.rowsByLeaf, loss: reading) { read.read($0, into: &$1, nil) }
    update.setSequenceRatios(reading.values, ofLeaves: leaves)
  }

  private func chosenRoutes(_ update: PolicyUpdate, _ trainer: Trainer) throws -> [RoutingTrace.Layer] {
    try trainer.routes(rowsByLeaf: update.plan.rowsByLeaf) { update.read($0, into: &$1, nil) }
  }

  /// Of tokens and layers, the part that chose other experts. Collective.
  private func changedShare(_ before: [RoutingTrace.Layer], _ after: [RoutingTrace.Layer]) throws -> Double {
    var (changed, all): (Int64, Int64) = (0, 0)
    for (before, after) in zip(before, after) {
      for first in stride(from: 0, to: min(before.experts.count, after.experts.count), by: before.topK) {
        all += 1
        let choice = first..<(first + before.topK)
        if Set(before.experts[choice]) != Set(after.experts[choice]) { changed += 1 }
      }
    }
    let sums = try communicator.allReduce([changed, all], .sum)
    return Double(sums[0]) / Double(max(1, sums[1]))
  }

  /// Completions are of their group: its prompts are named.
  package func words(
    for fault: StepFault, ofStep number: Int, position: Int, on trainer: Trainer, settings: StepSettings
  ) throws -> String {
    fault.words(ofPrompts: (position..<(position + placesTaken)).map { parts.prompts[$0].rewarded.number })
  }

  // MARK: Held-out prompts

  /// Their most probable answers.
  package func score(on trainer: Trainer) throws -> HeldOutScore? {
    guard let prompts = parts.heldOut?.prompts else { return nil }
    let requests = prompts.map {
      RolloutRequest(prompt: $0.tokens, maxNewTokens: settings.maxNewTokens, temperature: 0, seed: 0)
    }
    let completions = try rollouts.sample(requests) { prompts[$0].rewarded.number }
    let verdicts = try judge.verdicts(completions, prompts: prompts, tokenLimit: settings.maxNewTokens)
    let tokens = completions.reduce(0) { $0 + $1.tokens.count }
    return .accuracy(
      right: verdicts.count { $0.outcome == .right }, count: verdicts.count,
      meanLength: Double(tokens) / Double(max(1, completions.count)))
  }
}
