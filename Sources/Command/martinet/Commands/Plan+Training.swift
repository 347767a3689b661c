import ArgumentParser
import Checkpoints
import DistributedTraining
import Gradients
import JSON
import MoEModel
import Projection
import Telemetry
import Training

/// `martinet plan --train`.
extension Plan {
  /// Fails, having told it, where the training does not fit.
  func runTraining() throws {
    let predicts = training.predictionLoss > 0
    let source = try Self.shape(model, predicts: predicts)
    let read = try ModelConfiguration.read(source)
    let description = predicts ? read.predicting() : read
    try description.requireBackwardPass()
    try description.checkTrainable(sequenceLength: training.sequenceLength)
    guard training.sequenceLength <= description.maximumPositions else {
      throw ValidationError(
        """
        --sequence-length \(training.sequenceLength) is more than the \(description.maximumPositions) positions of \
        the model
        """
      )
    }
    var task = ClusterTraining.Task(
      sequenceLength: training.sequenceLength, sequences: training.batchSequences, tokens: training.tokens ?? 0)
    // A forward pass more is a third of a step's operations.
    let again = training.recompute ? 4.0 / 3 : 1
    (task.optimizer, task.recomputes) = (training.optimizer, training.recompute)
    task.utilization = training.utilization / again
    task.samples = training.rollouts
    task.teacher = try training.teacher.map { path in
      let shape = try Self.shape(path)
      let teacher = try ModelConfiguration.read(shape)
      let terms = TrainingLayout.Terms(
        sequenceLength: task.sequenceLength, sequences: task.sequences, rankCount: 1, ranksPerHost: 1,
        workerCount: cores)
      return try TeacherMemory(teacher, checkpoint: shape, terms)
    }
    task.products = training.products
    let network = try Network(network, sameHostIn: [])
    let plan = ClusterTraining(
      description, task,
      node: ClusterTraining.Node(
        memoryBytes: Int(memory * Double(1 << 30)), cores: cores, numaNodes: numaNodes,
        // Those that the share which is used is counted against, forward and backward: bf16's, or fp32's.
        operationsPerSecond: (arithmetic ?? Self.operations(training.products == .bfloat16 ? .bf16 : .f32)
          * Double(cores)) * 1e9),
      nodeCount: nodes, reserved: ClusterPlan.reservedShare
    ) { bytes, messages in
      let links = network.otherHosts
      return links.seconds(Int(min(bytes, 1e18))) + links.seconds(0) * Double(max(0, messages - 1))
    }
    let disk = DiskSpace(
      SavePlan(description, optimizer: training.optimizer, predicts: predicts), companions: Companions(), folder: "",
      keep: training.keep)
    let report = TrainingPlanReport(plan: plan, task: task, description: description, disk: disk, command: self)
    if json { show(report.json.text(pretty: true)) } else { for line in report.lines { show(line) } }
    if plan.best == nil { throw ExitCode(1) }
  }

  /// A model of which only the settings are looked at: a file of them, or a folder.
  private static func shape(_ path: String, predicts: Bool = false) throws -> any Checkpoint {
    if path.hasSuffix(".json") {
      return try ShapeCheckpoint(try PlannedModel.configuration(path), path: path, predicts: predicts)
    }
    let folder = try ModelLocation.resolve(path)
    return try ShapeCheckpoint(
      try CheckpointFormat.open(folder).config, path: folder + "/config.json", predicts: predicts)
  }
}
