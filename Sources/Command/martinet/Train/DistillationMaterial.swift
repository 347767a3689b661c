import Bytes
import Checkpoints
import Distillation
import DistributedTraining
import Fabric
import JSON
import Machine
import ModelRuntime
import ModelText
import MoEModel
import Reinforcement
import Reports
import Rewards

/// A teacher, and text or prompts of which it says what might follow.
final class DistillationMaterial: TrainingMaterial {
  private let options: DistillationOptions
  private let settings: DistillationSettings
  private let model: String?
  private let seed: UInt64
  private let text: TextMaterial?
  private var prompts: PolicyPrompts?
  private var stopTokens: Set<Int32> = []
  /// Of the files that the student begins with; nil for a new one.
  private var studentDigest: String?
  private var vocabulary: CommonVocabulary?
  private var teacher: (checkpoint: any Checkpoint, description: DecoderDescription)?
  private var student: DecoderDescription?
  var rolloutShare = 1.0

  /// `model`: the student's folder, where it has one.
  init(_ options: DistillationOptions, model: String?, seed: UInt64) throws {
    (self.options, self.model, self.seed) = (options, model, seed)
    settings = try options.settings()
    text = options.text.map { TextMaterial($0, .distillation, seed: seed) }
  }

  var isDistillation: Bool { true }

  var leafCount: Int? {
    guard case .samples(let samples) = settings.material else { return nil }
    return samples.leafCount
  }

  var files: [(String, JSONValue)] {
    let own: [(String, JSONValue)] = [("teacher", .string(options.teacher)), ("divergence", .double(settings.beta))]
    return own + (text?.files ?? [("prompts", .string(options.prompts ?? ""))])
  }

  func checkFiles() throws {
    try text?.checkFiles()
    if let path = options.prompts { _ = try PromptFile.read(path, requiresAnswers: false) }
  }

  func prepare(
    _ description: DecoderDescription, _ start: TrainingStart, _ settings: inout TrainingSettings
  ) throws {
    let checkpoint = try CheckpointFormat.open(try ModelLocation.resolve(options.teacher))
    let taught = try ModelConfiguration.read(checkpoint).holding(options.teacherWeights)
    (teacher, student) = ((checkpoint, taught), description)
    let codec = TextCodec(checkpoint)
    let vocabulary = try CommonVocabulary(
      student: .init(start.text?.optionalTokenizer, rows: description.vocabularySize),
      teacher: .init(codec.optionalTokenizer, rows: taught.vocabularySize))
    self.vocabulary = vocabulary
    // What both can take.
    var common = description
    common.vocabularySize = vocabulary.size
    common.maximumPositions = min(description.maximumPositions, taught.maximumPositions)
    try text?.prepare(common, start, &settings)
    guard let path = options.prompts, case .samples(let samples) = self.settings.material else { return }
    let words = start.text ?? codec
    let prompts = try PolicyPrompts(
      try PromptFile.read(path, requiresAnswers: false), file: path, codec: words, description: common,
      maxNewTokens: samples.maxNewTokens, seed: seed)
    self.prompts = prompts
    let begun = try model.map { try CheckpointFormat.open(try ModelLocation.resolve($0)) }
    studentDigest = begun.map { Digits.hexadecimal($0.fingerprint) }
    stopTokens = try StopTokens.read(begun ?? checkpoint, tokenizerEnd: words.endToken)
    settings.sequenceLength = max(1, prompts.longest + samples.maxNewTokens - 1)
  }

  func open(pool: WorkerPool) throws { try text?.open(pool: pool) }

  var memoryBytes: Int { text?.memoryBytes ?? 0 }

  func teacherBytes(_ terms: TrainingLayout.Terms) throws -> @Sendable (_ rank: Int) -> Int {
    guard let teacher else { return { _ in 0 } }
    let memory = try TeacherMemory(teacher.description, checkpoint: teacher.checkpoint, terms)
    return { memory.byteCount(ofRank: $0) }
  }

  func rollouts(_ terms: TrainingLayout.Terms) -> [RolloutMemory] {
    guard let prompts, let student, let teacher, case .samples(let samples) = settings.material else { return [] }
    return SampleDistillation.rollouts(student: student, teacher: teacher.description, prompts, samples, terms)
  }

  var summary: String {
    guard case .samples(let samples) = settings.material, let prompts else { return text?.summary ?? "" }
    let share = Figures.decimals(100 * samples.ownShare, 0)
    return
      """
      \(Figures.count(prompts.prompts.count, "prompt")); a step samples completions of \(samples.promptsPerStep), of \
      at most \(samples.maxNewTokens) tokens, \(share) % of them the student's own
      """
  }

  func source(
    _ model: LoadedModel, _ runtime: ClusterRuntime, _ settings: TrainingSettings
  ) throws -> any TrainingSource {
    guard let teacher, let vocabulary else { preconditionFailure("a teacher that was not opened") }
    let communicator = runtime.communicator
    let opened = try OpenedModel(opening: { teacher.checkpoint }, holding: options.teacherWeights, on: communicator)
    var load = LoadOptions()
    // It was counted with the training.
    load.checksMemory = false
    let loaded = try LoadedModel(opened, runtime: runtime, options: load, onEvent: { _ in })
    let recipe = self.settings.json(teacher: loaded.checkpoint.fingerprint)
    func loss(_ capacity: StepCapacity) throws -> DivergenceLoss {
      let frozen = try FrozenModel(loaded, runtime: runtime, rows: capacity.rows, sequences: capacity.sequences)
      return DivergenceLoss(frozen, self.settings.divergence, vocabulary, on: communicator)
    }
    if let prompts, case .samples(let samples) = self.settings.material {
      var parts = SampleDistillation.Parts(
        prompts: prompts, stopTokens: stopTokens, samples: samples, vocabulary: vocabulary, seed: settings.seed,
        folder: settings.folder)
      parts.rolloutShare = rolloutShare
      parts.identity = "\(studentDigest ?? "a new one") \(settings.recipe.text())"
      return try SampleDistillation(
        parts, student: model, teacher: loaded,
        loss: try loss(SampleDistillation.capacity(prompts, samples)), recipe: recipe, runtime: runtime)
    }
    guard let (data, heldOut) = text?.opened else { preconditionFailure("text that was not opened") }
    let capacity = TextSource.capacity(data, heldOut: heldOut, batch: settings.batch, ranks: communicator.size)
    return try TextDistillation(
      data, heldOut: heldOut, batch: settings.batch, loss: try loss(capacity), recipe: recipe, on: communicator)
  }
}
