import Checkpoints
import Fabric
import Foundation
import Inference
import Kernels
import ModelRuntime
import ModelText
import MoEModel
import Rewards
import Synchronization
import Tensors
import TestSupport
import Training

@testable import DistributedTraining
@testable import Reinforcement

/// A golden's model that learns from completions of a few prompts, on ranks that are threads of this process.
struct TinyPolicy: Sendable {
  /// What a run told, but for times.
  struct Told: Sendable, Equatable {
    var steps: [String] = []
    /// Of each step, the greatest |log ratio|, and completions with an advantage.
    var ratios: [Double] = []
    var signal: [Int] = []
    /// From the reference, where there is one.
    var divergences: [Double] = []
    var completions: [[String]] = []
    /// All weights at the end, as they are exported.
    var weights: [String: [UInt32]] = [:]
  }

  var golden = "deepseek_v3"
  var out: String
  var steps = 3
  var ranks = 1
  var threads = 1
  var isa = InstructionSet.best
  var settings = PolicySettings()
  var rate = 1e-2
  var resumes = false
  var saveEvery = 100
  var stopTokens: Set<Int32> = [1]
  var stopAfter: Int?

  init(in folder: TemporaryFolder) {
    out = folder.file("out")
    (settings.promptsPerStep, settings.groupSize, settings.maxNewTokens) = (4, 4, 9)
  }

  private var folder: String { FamilyFixtures.folder(golden) }

  func prompts(_ codec: TextCodec, _ description: DecoderDescription) throws -> PolicyPrompts {
    let lines = ["the quick brown fox", "a", "to be or not to be, that is the question", "one two", "12+34="]
    let text = lines.map { "{\"prompt\": \"\($0)\", \"answer\": \"e\"}\n" }.joined()
    let path = out + "-prompts.jsonl"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return try PolicyPrompts(
      try PromptFile.read(path, requiresAnswers: false), file: path, codec: codec, description: description,
      maxNewTokens: settings.maxNewTokens, seed: 5)
  }

  @discardableResult
  func run() throws -> Told {
    let all = try LocalFabric.run(size: ranks) { try train($0) }
    for other in all.dropFirst() { precondition(other.steps == all[0].steps, "ranks told other things") }
    var told = all[0]
    for other in all.dropFirst() { told.weights.merge(other.weights) { own, _ in own } }
    return told
  }

  private func train(_ communicator: any Communicator) throws -> Told {
    let source = try CheckpointFormat.open(folder)
    let description = try ModelConfiguration.read(source)
    let thread = try WriterThread()
    let runtime = try ClusterRuntime(communicator, threadsPerRank: threads, instructionSet: isa)
    let opened = try OpenedModel(
      opening: { try ShapeCheckpoint(source.config, path: folder + "/config.json") }, holding: .auto, on: communicator)
    let loaded = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
    let codec = TextCodec(folder: folder)
    // Whether a completion has an "e" in it, and how long it is: made-up models know no more.
    var options = RewardOptions()
    options.formatPattern = "[\\s\\S]*e[\\s\\S]*"
    let laidOut = try prompts(codec, description)
    let reader = try ParameterReader(description, checkpoint: source)
    var parts = PolicySource.Parts(
      prompts: laidOut, heldOut: nil, rules: try RewardRules("format,length=0.25,contains=2", options: options),
      codec: codec, stopTokens: stopTokens, settings: settings, seed: 5, folder: out)
    parts.identity = "tiny"
    if settings.objective.referencePenalty > 0 {
      let other = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
      let capacity = PolicySource.capacity(laidOut, settings)
      let frozen = try FrozenModel(other, runtime: runtime, rows: capacity.rows, sequences: capacity.sequences)
      parts.reference = PolicyReference(
        frozen, every: settings.objective.referenceEvery, folder: out, on: communicator
      ) { try reader.read($0.stored, from: 0, into: $1) }
    }
    let policy = try PolicySource(parts, model: loaded, runtime: runtime)
    var training = TrainingSettings(
      steps: steps, sequenceLength: 24, batch: try BatchRamp(constant: settings.completionCount),
      learningRate: try .learningRate(peak: rate, shape: .constant, stepCount: steps),
      balanceSpeed: try .balance(speed: 0, stepCount: steps, frozenShare: 0), folder: out, saveEvery: saveEvery,
      keep: 9,
      scoreEvery: 0)
    (training.seed, training.resumes, training.adamW.decay) = (5, resumes, 0)
    let run = try TrainingLoop(
      loaded, runtime: runtime, source: policy, companions: Companions(), settings: training, thread: thread
    ) { _, spec, first, buffer in try reader.read(spec.stored, from: first, into: buffer) }
    var told = Told()
    var step = 0
    try run.run(shouldStop: { step == stopAfter }) { event in
      guard case .step(let report) = event, let policy = report.policy else { return }
      step = report.number
      told.steps.append(
        """
        \(report.number) \(report.result.loss) \(report.result.gradientNorm) \(policy.reward) \(policy.parts) \
        \(policy.entropy) \(policy.sampledTokens) \(policy.clippedShare) \(policy.changedRoutes ?? -1) \
        \(policy.trainedTokens) \(policy.right)
        """
      )
      told.ratios.append(policy.maxLogRatio)
      told.signal.append(policy.signalGroups)
      told.divergences.append(policy.referenceKL ?? 0)
      told.completions.append(policy.transcripts.map(\.completion))
    }
    for parameter in run.trainer.model.parameters {
      told.weights[parameter.name] = UnsafeBufferPointer(
        start: parameter.values.pointer, count: parameter.spec.elementCount
      ).map(\.bitPattern)
    }
    return told
  }
}

extension TinyPolicy {
  func requests() throws -> [RolloutRequest] {
    let codec = TextCodec(folder: folder)
    let description = try ModelConfiguration.read(try CheckpointFormat.open(folder))
    return PolicySource.requests(
      0..<settings.promptsPerStep, of: try prompts(codec, description), settings, seed: 5)
  }

  /// What the first step samples.
  func firstCompletions() throws -> [Completion] { try sample(try requests()).completions }

  /// What is sampled for some requests, and how many tokens of their prompts were read for it.
  func sample(
    _ requests: [RolloutRequest], sharesPrompts: Bool = true
  ) throws -> (completions: [Completion], promptTokens: (all: Int, read: Int)) {
    try LocalFabric.run(size: ranks) { communicator in
      let runtime = try ClusterRuntime(communicator, threadsPerRank: 1, instructionSet: isa)
      let opened = try OpenedModel(folder, holding: .auto, on: communicator)
      let loaded = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
      var options = SessionOptions()
      (options.keepsPrefixes, options.stallLimit) = (sharesPrompts, nil)
      let session = try GenerationSession(runtime, model: loaded, options: options, cacheBlocks: 64)
      let rollouts = Rollouts(session, stopTokens: stopTokens)
      let completions = try rollouts.sample(requests) { $0 }
      return (completions, rollouts.promptTokens)
    }[0]
  }
}
