import Bytes
import Checkpoints
import DistributedTraining
import Fabric
import Gradients
import JSON
import Machine
import ModelRuntime
import ModelText
import MoEModel
import Reinforcement
import Reports
import Rewards

/// Prompts, and what completions of them are worth.
final class PolicyMaterial: TrainingMaterial {
  private let options: PolicyOptions
  private let policy: PolicySettings
  private let rules: RewardRules
  private let training: TrainingOptions
  private let model: String
  private var prompts: PolicyPrompts?
  private var heldOut: PolicyPrompts?
  private var codec: TextCodec?
  private var start: TrainingStart?
  private var description: DecoderDescription?
  var rolloutShare = 1.0

  init(_ options: PolicyOptions, model: String, _ training: TrainingOptions) throws {
    (self.options, self.model, self.training) = (options, model, training)
    (policy, rules) = (try options.policy(), try options.reward.rules())
  }

  let isPolicy = true
  var leafCount: Int? { policy.leafCount }

  var files: [(String, JSONValue)] {
    [
      ("prompts", .string(options.prompts)), ("held_out", options.heldOut.map { .string($0) } ?? .null),
      ("policy", policy.json), ("reward", rules.json),
    ]
  }

  func checkFiles() throws {
    for path in [options.prompts, options.heldOut].compactMap({ $0 }) {
      _ = try PromptFile.read(path, requiresAnswers: rules.needsAnswers)
    }
  }

  func prepare(
    _ description: DecoderDescription, _ start: TrainingStart, _ settings: inout TrainingSettings
  ) throws {
    guard let codec = start.text else { return }
    (self.codec, self.start, self.description) = (codec, start, description)
    let replacedEvery = policy.objective.referencePenalty > 0 ? policy.objective.referenceEvery : 0
    try PolicyReference.check(every: replacedEvery, saveEvery: settings.saveEvery)
    settings.pinEvery = replacedEvery
    func read(_ path: String) throws -> PolicyPrompts {
      let list = try PromptFile.read(path, requiresAnswers: rules.needsAnswers)
      try rules.check(list, file: path)
      return try PolicyPrompts(
        list, file: path, codec: codec, description: description, maxNewTokens: policy.maxNewTokens, seed: training.seed
      )
    }
    let prompts = try read(options.prompts)
    (self.prompts, heldOut) = (prompts, try options.heldOut.map(read))
    try prompts.check(rules)
    settings.sequenceLength = max(1, prompts.longest + policy.maxNewTokens - 1)
  }

  func open(pool: WorkerPool) throws {}

  var memoryBytes: Int { 0 }

  var summary: String {
    """
    \(Figures.count(prompts?.prompts.count ?? 0, "prompt")); a step samples \(policy.groupSize) completions of \
    \(policy.promptsPerStep), of at most \(policy.maxNewTokens) tokens
    """
  }

  func source(
    _ model: LoadedModel, _ runtime: ClusterRuntime, _ settings: TrainingSettings
  ) throws -> any TrainingSource {
    guard let prompts, let codec else { preconditionFailure("prompts that were not read") }
    if runtime.communicator.isRoot { for note in rules.notes { say("martinet: \(note)") } }
    let (stopTokens, digest) = try agree(on: runtime.communicator) {
      let checkpoint = try CheckpointFormat.open(try ModelLocation.resolve(self.model))
      return (
        try StopTokens.read(checkpoint, tokenizerEnd: codec.endToken),
        Digits.hexadecimal(checkpoint.fingerprint)
      )
    }
    var parts = PolicySource.Parts(
      prompts: prompts, heldOut: heldOut, rules: rules, codec: codec, stopTokens: stopTokens, settings: policy,
      seed: settings.seed, folder: settings.folder)
    parts.identity = "\(digest) \(settings.recipe.text()) \(policy.json.text()) \(rules.json.text())"
    parts.rolloutShare = rolloutShare
    if policy.objective.referencePenalty > 0 {
      parts.reference = try reference(prompts, runtime, settings)
      parts.referenceDigest = digest
    }
    return try PolicySource(parts, model: model, runtime: runtime)
  }

  /// A second model of the same shape, which gets its numbers with the first step. Collective.
  private func reference(
    _ prompts: PolicyPrompts, _ runtime: ClusterRuntime, _ settings: TrainingSettings
  ) throws -> PolicyReference {
    guard let start else { preconditionFailure("a model that was not opened") }
    let opened = try OpenedModel(
      opening: { start.shape }, holding: settings.products == .bfloat16 ? .bf16 : .auto,
      predicting: settings.predictionLoss != nil, on: runtime.communicator)
    var load = LoadOptions()
    // It was counted with the training.
    load.checksMemory = false
    let loaded = try LoadedModel(opened, runtime: runtime, options: load, onEvent: { _ in })
    let capacity = PolicySource.capacity(prompts, policy)
    let frozen = try FrozenModel(loaded, runtime: runtime, rows: capacity.rows, sequences: capacity.sequences)
    return PolicyReference(
      frozen, every: policy.objective.referenceEvery, folder: settings.folder, on: runtime.communicator
    ) { spec, buffer in try start.fill(spec, 0, buffer) }
  }

  func teacherBytes(_ terms: TrainingLayout.Terms) throws -> @Sendable (_ rank: Int) -> Int {
    guard policy.objective.referencePenalty > 0, let start, let description else { return { _ in 0 } }
    let memory = try TeacherMemory(description, checkpoint: start.shape, terms)
    return { memory.byteCount(ofRank: $0) }
  }

  func rollouts(_ terms: TrainingLayout.Terms) -> [RolloutMemory] {
    guard let prompts, let description else { return [] }
    return [PolicySource.rollouts(description, prompts, heldOut: heldOut, policy, terms)]
  }
}
