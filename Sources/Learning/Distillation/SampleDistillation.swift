import DistributedTraining
import Fabric
import JSON
import Kernels
import ModelRuntime
import MoEModel
import Reinforcement
import Rewards
import Training

/// Learning from a teacher what should follow each token of completions that the student samples as it is (on-policy
/// distillation), or the teacher, or each a part of them (GKD, arXiv 2306.13649). One model in one memory samples and
/// learns.
package final class SampleDistillation: TrainingSource {
  /// What is learnt from, beside the models.
  package struct Parts {
    package var prompts: PolicyPrompts
    package var stopTokens: Set<Int32>
    package var samples: DistillationSettings.Samples
    package var vocabulary: CommonVocabulary
    package var seed: UInt64
    /// The training's folder.
    package var folder: String
    /// The student that the training began with, and its settings.
    package var identity = ""
    /// As `PolicySource.Parts.rolloutShare`.
    package var rolloutShare = 1.0

    package init(
      prompts: PolicyPrompts, stopTokens: Set<Int32>, samples: DistillationSettings.Samples,
      vocabulary: CommonVocabulary, seed: UInt64, folder: String
    ) {
      (self.prompts, self.stopTokens, self.samples) = (prompts, stopTokens, samples)
      (self.vocabulary, self.seed, self.folder) = (vocabulary, seed, folder)
    }
  }

  private let parts: Parts
  private let loss: DivergenceLoss
  private let communicator: any Communicator
  /// Of the student, and of the teacher; nil where it samples none.
  private let own: Rollouts?
  private let others: Rollouts?
  private let log: RolloutLog?
  private let seeds: RandomStream
  package let recipe: JSONValue
  package let capacity: StepCapacity?
  package private(set) var lastDistillation: DistillationReport?

  /// What a rank takes to sample with a model, student or teacher.
  private static func rollouts(
    _ description: DecoderDescription, sequences: Int, _ prompts: PolicyPrompts,
    _ samples: DistillationSettings.Samples, _ terms: TrainingLayout.Terms
  ) -> RolloutMemory {
    RolloutMemory(description, sequences: sequences, longest: prompts.longest + samples.maxNewTokens, terms)
  }

  /// The same of those that sample.
  package static func rollouts(
    student: DecoderDescription, teacher: DecoderDescription, _ prompts: PolicyPrompts,
    _ samples: DistillationSettings.Samples, _ terms: TrainingLayout.Terms
  ) -> [RolloutMemory] {
    [(student, samples.mostOwn), (teacher, samples.mostOfTeacher)].filter { $0.1 > 0 }.map {
      rollouts($0.0, sequences: $0.1, prompts, samples, terms)
    }
  }

  /// How much a rank's part of a step may be.
  package static func capacity(_ prompts: PolicyPrompts, _ samples: DistillationSettings.Samples) -> StepCapacity {
    StepCapacity(
      rows: samples.promptsPerStep * max(1, prompts.longest + samples.maxNewTokens - 1),
      sequences: samples.promptsPerStep)
  }

  /// `recipe`: of `DistillationSettings`. Collective.
  package init(
    _ parts: Parts, student: LoadedModel, teacher: LoadedModel, loss: DivergenceLoss, recipe: JSONValue,
    runtime: ClusterRuntime
  ) throws {
    (self.parts, self.loss, communicator) = (parts, loss, runtime.communicator)
    self.recipe = ["distillation": recipe]
    let samples = parts.samples
    let terms = TrainingLayout.Terms(
      sequenceLength: 1, sequences: 1, rankCount: communicator.size, ranksPerHost: communicator.localSize,
      workerCount: runtime.compute.workerCount)
    func rollouts(_ model: LoadedModel, _ sequences: Int) throws -> Rollouts? {
      guard sequences > 0 else { return nil }
      return try Rollouts(
        model, runtime: runtime, sequences: sequences,
        memory: Self.rollouts(model.description, sequences: sequences, parts.prompts, samples, terms),
        share: parts.rolloutShare, stopTokens: parts.stopTokens)
    }
    (own, others) = (try rollouts(student, samples.mostOwn), try rollouts(teacher, samples.mostOfTeacher))
    log = runtime.communicator.isRoot ? RolloutLog(folder: parts.folder) : nil
    seeds = RandomStream(seed: parts.seed, purpose: "completions")
    capacity = Self.capacity(parts.prompts, samples)
  }

  package var fingerprint: [UInt8] { parts.prompts.fingerprint }

  package func placeCount(ofStep number: Int) -> Int { parts.samples.promptsPerStep }

  package func takeStep(
    _ number: Int, position: Int, on trainer: Trainer, settings: StepSettings, accepted: (StepResult) -> Bool
  ) throws -> StepResult {
    try trainer.timed {
      var report = DistillationReport()
      trainer.clock.enter(.rollout)
      let sequences = try sample(number, position, &report)
      let plan = LeafPlan(rows: sequences.map { max(0, $0.count - 1) }, leafCount: parts.samples.leafCount)
      trainer.clock.enter(.data)
      let result = try trainer.update(
        number, rowsByLeaf: plan.rowsByLeaf, loss: loss, settings: settings, accepted: accepted
      ) { leaf, rows in
        for sequence in sequences[plan.leaves[leaf]] { rows.append(sequence) }
      }
      let leaves = trainer.ownLeaves(count: plan.rowsByLeaf.count)
      report.note(try .total(loss.findings(rowsByLeaf: plan.rowsByLeaf[leaves]), over: communicator))
      report.teacherSeconds = loss.teacherTime / .seconds(1)
      lastDistillation = report
      log?.close()
      return result
    }
  }

  package func words(
    for fault: StepFault, ofStep number: Int, position: Int, on trainer: Trainer, settings: StepSettings
  ) throws -> String {
    fault.words(
      ofPrompts: (position..<(position + placeCount(ofStep: number))).map { parts.prompts[$0].rewarded.number })
  }

  package func score(on trainer: Trainer) throws -> HeldOutScore? { nil }

  /// The step's prompts with their completions, of which only the completions are learnt.
  private func sample(_ number: Int, _ position: Int, _ report: inout DistillationReport) throws -> [[Int32]] {
    let began = ContinuousClock.now
    let (samples, places) = (parts.samples, position..<(position + parts.samples.promptsPerStep))
    let prompts = places.map { parts.prompts[$0] }
    let requests = zip(places, prompts).map { place, prompt in
      RolloutRequest(
        prompt: prompt.tokens, maxNewTokens: samples.maxNewTokens, temperature: samples.temperature, seeds: seeds,
        place: place)
    }
    let ownCount = own == nil ? 0 : others == nil ? requests.count : samples.ownCount(ofStep: number)
    var completions: [Completion] = []
    if let own, ownCount > 0 {
      log?.open(step: number, key: "\(parts.identity) \(recipe.text())")
      completions += try own.sample(Array(requests[..<ownCount]), log: log) { prompts[$0].rewarded.number }
    }
    if let others, ownCount < requests.count {
      completions += try others.sample(Array(requests[ownCount...])) { prompts[ownCount + $0].rewarded.number }
    }
    (report.completions, report.ownCompletions) = (completions.count, ownCount)
    report.rolloutSeconds = (ContinuousClock.now - began) / .seconds(1)
    return zip(prompts, completions).map { prompt, completion in
      report.sampledTokens += completion.tokens.count
      if completion.isCut { report.cut += 1 }
      // A row that only fills up one of the embeddings is no token of the other model.
      let known = completion.tokens.prefix { $0 < Int32(parts.vocabulary.size) }
      return prompt.tokens.map { ~$0 } + known
    }
  }
}
