import Checkpoints
import Fabric
import ForwardingCommunicator
import Foundation
import Kernels
import ModelRuntime
import MoEModel
import Synchronization
import TestSupport
import Training

@testable import DistributedTraining

/// A training of a golden's model from data in a file to checkpoints in a folder, on ranks that are threads of this
/// process.
struct TinyTextTraining: Sendable {
  /// What a run told.
  struct Told: Sendable, Equatable {
    /// The reports of steps, but for times.
    var steps: [String] = []
    var saved: [Int] = []
  }

  var golden = "deepseek_v3"
  /// A model with gated DeltaNet in its place.
  var delta: String?
  /// Where data and checkpoints lie; `out` is the checkpoints' folder in it.
  var folder: String
  var out = "out"
  var steps = 6
  var saveEvery = 2
  var ranks = 1
  var ranksPerHost: Int?
  var isa = InstructionSet.best
  var optimizer = OptimizerKind.adamW
  var checkpoints: CheckpointMode?
  var badSteps = BadStepPolicy()
  var rate = 3e-3
  var packing = Packing.packed
  var resumes = false
  /// A signal to stop comes after this step.
  var stopAfter: Int?
  /// Called on rank 0 with each event.
  var onEvent: @Sendable (TrainingEvent) -> Void = { _ in }

  init(in folder: TemporaryFolder, vocabulary: Int = 90) throws {
    self.folder = folder.path
    let lines = (0..<40).map { number in
      let tokens = (0..<(9 + number % 23)).map { "\((number * 5 + $0 * 3) % vocabulary)" }
      return "{\"token_ids\":[\(tokens.joined(separator: ","))]}\n"
    }
    folder.write(lines.joined(), as: "data.jsonl")
  }

  var outPath: String { "\(folder)/\(out)" }

  @discardableResult
  func run() throws -> Told {
    let told = try LocalFabric.run(size: ranks) { local in
      try train(ranksPerHost.map { HostedCommunicator(local, ranksPerHost: $0) } ?? local)
    }
    return told[0]
  }

  private func train(_ communicator: any Communicator) throws -> Told {
    let path = TinyTraining(delta ?? golden).folder
    let source = try CheckpointFormat.open(path)
    let description = try ModelConfiguration.read(source)
    let thread = try WriterThread()
    let runtime = try ClusterRuntime(communicator, threadsPerRank: 1, instructionSet: isa)
    let opened = try OpenedModel(
      opening: { try ShapeCheckpoint(source.config, path: path + "/config.json") }, holding: .auto, on: communicator)
    let loaded = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
    var options = TrainingData.Options(
      sequenceLength: 12, seed: 3, vocabularySize: description.vocabularySize,
      maximumPositions: description.maximumPositions)
    options.packing = packing
    let data = try TrainingData([DataFile(path: folder + "/data.jsonl")], options)
    let reader = try ParameterReader(description, checkpoint: source)
    let training = try TrainingLoop(
      loaded, runtime: runtime, data: data, heldOut: nil, companions: Companions(), settings: try settings(),
      thread: thread
    ) { _, spec, first, buffer in try reader.read(spec.stored, from: first, into: buffer) }
    var told = Told()
    var step = 0
    try training.run(shouldStop: { step == stopAfter }) { event in
      switch event {
      case .step(let report):
        step = report.number
        let result = report.result
        let loads = result.loads.sorted { $0.key < $1.key }.map(\.value)
        told.steps.append(
          """
          \(report.number) \(result.loss) \(result.balanceLoss) \(result.gradientNorm) \(loads) \
          \(report.learningRate) \(report.tokens) \(report.skipped as Any)
          """
        )
      case .saved(let step, _, _): told.saved.append(step)
      default: break
      }
      if communicator.isRoot { onEvent(event) }
    }
    return told
  }

  private func settings() throws -> TrainingSettings {
    var settings = TrainingSettings(
      steps: steps, sequenceLength: 12, batch: try BatchRamp(constant: 5),
      learningRate: try .learningRate(peak: rate, shape: .warmupStableDecay, stepCount: steps),
      balanceSpeed: try .balance(speed: 0.01, stepCount: steps, frozenShare: 0.1), folder: outPath,
      saveEvery: saveEvery, keep: 100, scoreEvery: 0)
    (settings.seed, settings.optimizer, settings.resumes) = (3, optimizer, resumes)
    (settings.checkpoints, settings.badSteps, settings.balanceLoss) = (checkpoints, badSteps, 0.001)
    return settings
  }

  /// SHA-256 of every file of every checkpoint, by its path.
  func digests() throws -> [String: String] {
    var digests: [String: String] = [:]
    let folders = try FileManager.default.contentsOfDirectory(atPath: outPath)
    for folder in folders where folder.hasPrefix("step-") || folder.hasPrefix("state-") {
      for file in try FileManager.default.contentsOfDirectory(atPath: "\(outPath)/\(folder)") {
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: "\(outPath)/\(folder)/\(file)")))
        digests["\(folder)/\(file)"] = SHA256.digest(bytes).map { String($0, radix: 16) }.joined(separator: ".")
      }
    }
    return digests
  }
}
