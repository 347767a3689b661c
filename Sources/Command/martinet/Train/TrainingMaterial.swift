import DistributedTraining
import JSON
import Machine
import ModelRuntime
import MoEModel
import Training

/// What a training learns from, on its way from files to steps.
protocol TrainingMaterial: AnyObject {
  /// Whether steps are of reinforcement learning.
  var isPolicy: Bool { get }
  /// Whether they learn from a teacher.
  var isDistillation: Bool { get }
  /// The files, for a page.
  var files: [(String, JSONValue)] { get }
  /// Throws for lists of files that cannot be, and files that are not there; reads none.
  func checkFiles() throws
  /// Reads what a training's size follows from.
  func prepare(_ description: DecoderDescription, _ start: TrainingStart, _ settings: inout TrainingSettings) throws
  /// Reads the rest.
  func open(pool: WorkerPool) throws
  /// Leaves of a step, where they are not one sequence each.
  var leafCount: Int? { get }
  /// Bytes that data take on each rank.
  var memoryBytes: Int { get }
  /// Bytes that a teacher takes, by rank; asked after `prepare`.
  func teacherBytes(_ terms: TrainingLayout.Terms) throws -> @Sendable (_ rank: Int) -> Int
  /// What ranks take to sample completions, by model that samples; asked after `prepare`.
  func rollouts(_ terms: TrainingLayout.Terms) -> [RolloutMemory]
  /// The part of that which there is memory for, beyond what must be; told before `source`.
  var rolloutShare: Double { get set }
  /// What there is, in words.
  var summary: String { get }
  /// Collective.
  func source(_ model: LoadedModel, _ runtime: ClusterRuntime, _ settings: TrainingSettings) throws
    -> any TrainingSource
}

extension TrainingMaterial {
  var isPolicy: Bool { false }
  var isDistillation: Bool { false }
  var leafCount: Int? { nil }
  func teacherBytes(_ terms: TrainingLayout.Terms) throws -> @Sendable (_ rank: Int) -> Int { { _ in 0 } }
  func rollouts(_ terms: TrainingLayout.Terms) -> [RolloutMemory] { [] }
}

extension TrainingCosts.Material {
  init(_ material: any TrainingMaterial) {
    self.init(
      leafCount: material.leafCount, teacherBytes: { try material.teacherBytes($0) },
      rollouts: { material.rollouts($0) })
  }
}

/// Text, or conversations.
final class TextMaterial: TrainingMaterial {
  private let options: TextOptions
  private let kind: TrainingKind
  private let seed: UInt64
  private var start: TrainingStart?
  private var description: DecoderDescription?
  private var data: TrainingData?
  private var heldOut: TrainingData?
  /// Text is not sampled.
  var rolloutShare = 1.0

  init(_ options: TextOptions, _ kind: TrainingKind, seed: UInt64) {
    (self.options, self.kind, self.seed) = (options, kind, seed)
  }

  var files: [(String, JSONValue)] {
    [("data", .string(options.data)), ("held_out", options.sequences.heldOut.map { .string($0) } ?? .null)]
  }

  func checkFiles() throws { try options.checkFiles() }

  func prepare(
    _ description: DecoderDescription, _ start: TrainingStart, _ settings: inout TrainingSettings
  ) throws {
    try options.checkLength(description)
    (self.start, self.description) = (start, description)
  }

  func open(pool: WorkerPool) throws {
    guard let start, let description else { return }
    data = try options.open(options.data, description, start, kind, seed: seed, pool: pool)
    heldOut = try options.sequences.heldOut.map {
      try options.open($0, description, start, kind, seed: seed, pool: pool)
    }
  }

  var memoryBytes: Int { (data?.memoryBytes ?? 0) + (heldOut?.memoryBytes ?? 0) }

  var summary: String {
    guard let data else { return "" }
    return "\(data.tokenCount) tokens of data in \(data.sequenceCount) sequences of \(data.sequenceLength)"
  }

  func source(
    _ model: LoadedModel, _ runtime: ClusterRuntime, _ settings: TrainingSettings
  ) throws -> any TrainingSource {
    let (data, heldOut) = opened
    return try TextSource(data, heldOut: heldOut, batch: settings.batch, on: runtime.communicator)
  }

  /// What was opened.
  var opened: (data: TrainingData, heldOut: TrainingData?) {
    guard let data else { preconditionFailure("text that was not opened") }
    return (data, heldOut)
  }
}
