import ArgumentParser
import Checkpoints
import DistributedTraining
import ExpertParallelism
import Fabric
import Inference
import JSON
import Kernels
import MoEModel
import ModelRuntime
import Telemetry

/// A model that is planned with: its description, and the headers that memory is counted from, of a folder or as they
/// would be where there is a `config.json` alone.
struct PlannedModel {
  let description: DecoderDescription
  let checkpoint: any Checkpoint
  /// What rows enter routed experts as.
  let expertRowFormat: RowFormat
  /// What a routed expert takes over what `checkpoint` tells: 1 but where a bare configuration leaves it in a form in
  /// which its publisher stores it.
  private let expertFactor: Double

  /// `speculation` decides whether the prediction module is loaded.
  init(_ path: String, weights: WeightPrecision, speculation: SpeculationOptions) throws {
    guard path.hasSuffix(".json") else {
      checkpoint = try CheckpointFormat.open(try ModelLocation.resolve(path))
      let plain = try ModelConfiguration.read(checkpoint).holding(weights)
      description = try speculation.loadsModule(of: plain, in: checkpoint) ? plain.predicting() : plain
      (expertFactor, expertRowFormat) = (1, description.expertRowFormat)
      return
    }
    guard weights != .auto else {
      throw ValidationError("a config.json alone does not say how weights are stored: give --weights")
    }
    let config = try Self.configuration(path)
    let published = try ModelConfiguration.read(try ConfigReader(config, path: path))
    let mode = speculation.mode
    let predicts = (mode == .mtp || mode == .auto) && published.predictionLayerCount > 0
    guard predicts || mode != .mtp else {
      throw InferenceError.noPredictionModule(family: published.family)
    }
    checkpoint = try ShapeCheckpoint(config, path: path, predicts: predicts, trains: false)
    let read = try ModelConfiguration.read(checkpoint).holding(weights)
    description = predicts ? read.predicting() : read
    expertRowFormat = try published.holding(weights).expertRowFormat
    // In `mixed` these stay as they are; the shape's own tensors have become q8.
    let stored = Self.expertBits(config, published.quantization)
    expertFactor = weights == .mixed ? (stored ?? 8.125) / 8.125 : 1
  }

  /// Bits of a routed expert's weight as it is published, with its part of the scales; nil where it is held as q8
  /// instead.
  private static func expertBits(_ config: JSONValue, _ quantization: Quantization) -> Double? {
    let text = config["text_config"] ?? config
    switch quantization {
    case .float8: return text["expert_dtype"]?.string == "fp4" ? 4.25 : 8.25
    case .mxfp4Experts: return 4.25
    case .integers(.compressedTensors):
      let groups = (text["quantization_config"] ?? config["quantization_config"])?["config_groups"]?.object
      let weights = groups?.keys.first.flatMap { groups?[$0]?["weights"] }
      let isHeld = weights?["num_bits"]?.exactInt == 4 && weights?["group_size"]?.exactInt == 32
      return isHeld && weights?["symmetric"]?.bool != false ? 4.5 : nil
    case .none, .nvfp4, .integers, .martinet: return nil
    }
  }

  /// Of a `config.json` alone, of a model whose weights are elsewhere.
  static func configuration(_ path: String) throws -> JSONValue {
    try JSONValue(
      parsing: try InputFile(path: path).contents(limit: CheckpointLimits().configByteCount),
      limits: JSONLimits(allowsNonFinite: true))
  }

  /// Bytes that the fullest rank holds, and has room for where experts are to move or to have replicas.
  func weightBytes(
    placement: ModelPlacement, options: ExpertOptions, isSliced: Bool, dividesExperts: Bool
  ) throws -> Int {
    if isSliced, let reason = description.slicingObstacle { throw RuntimeError.notSliceable(reason) }
    let layers = description.moeLayers
    let (moving, replicas) = (
      options.spareExperts(placement, layers: layers), options.replicaRoom(placement, layers: layers)
    )
    let fullest = try RankMemory.fullest(
      description, checkpoint, placement: placement, spares: zip(moving, replicas).map { max($0, $1) },
      isSliced: isSliced, dividesExperts: dividesExperts)
    guard expertFactor != 1 else { return fullest.budget.memoryBytes }
    // All but the part of the rank's that is routed experts.
    var own = description
    if isSliced, placement.rankCount > 1 {
      own = description.sliced(
        ModelSlice(rank: fullest.rank.index, of: placement.rankCount, dividesExperts: dividesExperts))
    }
    let rest = try WeightBudget.measure(own, checkpoint: checkpoint, workerCount: 1) { _, _ in false }.memoryBytes
    return rest + Int(Double(fullest.budget.memoryBytes - rest) * expertFactor)
  }

  /// The descriptions that ranks have, for what their caches take.
  func descriptions(isSliced: Bool, ranks: Int, dividesExperts: Bool) -> [DecoderDescription] {
    guard isSliced, ranks > 1 else { return [description] }
    return (0..<ranks).map { description.sliced(ModelSlice(rank: $0, of: ranks, dividesExperts: dividesExperts)) }
  }

  /// Of all that is no routed expert.
  func commonBytes() throws -> Int {
    try WeightBudget.measure(description, checkpoint: checkpoint, workerCount: 1) { _, _ in false }.memoryBytes
  }

  /// Of a parameter of a routed expert, however it is held, where all else takes `commonBytes`.
  func bytesPerParameter(commonBytes: Int) throws -> Double {
    guard let layer = description.moeLayers.first else { return 0 }
    let one = try WeightBudget.measure(description, checkpoint: checkpoint, workerCount: 1) { $0 == layer && $1 == 0 }
    return Double(one.memoryBytes - commonBytes) * expertFactor / Double(max(description.work.expert, 1))
  }
}
