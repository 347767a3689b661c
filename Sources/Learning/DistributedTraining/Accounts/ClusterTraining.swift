import Gradients
import MoEModel
import Training

/// Ways of training a model on a cluster of equal nodes that is only described, and what each comes to.
package struct ClusterTraining: Sendable {
  /// Of one node.
  package struct Node: Sendable {
    package var memoryBytes: Int
    package var cores: Int
    package var numaNodes: Int
    /// Of products as the training has them (`Task.products`), a second.
    package var operationsPerSecond: Double

    /// A host with so many bytes of memory, cores and NUMA nodes, which does `operationsPerSecond` in training.
    package init(memoryBytes: Int, cores: Int, numaNodes: Int, operationsPerSecond: Double) {
      (self.memoryBytes, self.cores, self.numaNodes) = (memoryBytes, cores, numaNodes)
      self.operationsPerSecond = operationsPerSecond
    }
  }

  /// What is to be done, however it is laid out.
  package struct Task: Sendable {
    package var optimizer = OptimizerKind.adamW
    package var sequenceLength: Int
    /// Of a step.
    package var sequences: Int
    package var tokens: Double
    /// The part of a node's operations that is made use of.
    package var utilization = UtilizationProbe.assumed
    package var recomputes = false
    /// A model that is asked beside the one in training.
    package var teacher: TeacherMemory?
    /// Whether the model samples the sequences that it learns from.
    package var samples = false
    /// What products' operands are rounded to.
    package var products = ProductPrecision.float32

    package init(sequenceLength: Int, sequences: Int, tokens: Double) {
      (self.sequenceLength, self.sequences, self.tokens) = (sequenceLength, sequences, tokens)
    }

    package var steps: Int {
      Int(min(1e15, (tokens / (Double(sequences) * Double(sequenceLength))).rounded(.up)))
    }
  }

  package struct Option: Sendable {
    package let ranksPerNode: Int
    package let ranks: Int
    /// The rank that holds most, and what it holds.
    package let rank: Int
    package let memory: TrainingMemory
    package let fits: Bool
    package let forecast: TrainingForecast

    /// The part of the time in which messages travel.
    package var exchangeShare: Double {
      forecast.seconds > 0 ? Double(forecast.steps) * forecast.exchangeSeconds / forecast.seconds : 0
    }
  }

  package let options: [Option]
  /// Bytes of a node that can be used.
  package let room: Int
  /// The fewest nodes of the kind that would do, with one rank each; nil where none of up to `mostNodes` do.
  package let nodesNeeded: Int?

  package static let mostNodes = 4096

  /// `description` is that of the model with its prediction module where that is trained too. `reserved`: the part of a
  /// node's memory that stays free. `exchange` says how long it takes that a host sends so many bytes, in so many
  /// messages one after another.
  package init(
    _ description: DecoderDescription, _ task: Task, node: Node, nodeCount: Int, reserved: Double,
    exchange: (_ bytes: Double, _ messages: Int) -> Double
  ) {
    let room = Int(Double(node.memoryBytes) * (1 - reserved))
    self.room = room
    let operations = TrainingWork(description, sequenceLength: task.sequenceLength).operations
    func layout(_ ranksPerNode: Int, _ nodes: Int) -> TrainingLayout {
      var terms = TrainingLayout.Terms(
        sequenceLength: task.sequenceLength, sequences: task.sequences, rankCount: ranksPerNode * nodes,
        ranksPerHost: ranksPerNode, workerCount: max(1, node.cores / ranksPerNode))
      (terms.optimizer, terms.recomputes, terms.checkpoints) = (task.optimizer, task.recomputes, .background)
      terms.products = task.products
      var layout = TrainingLayout(description, terms)
      if let teacher = task.teacher?.laidOut(terms) { layout.teacherBytes = { teacher.byteCount(ofRank: $0) } }
      if task.samples {
        // The last token sampled is predicted, and not fed.
        layout.rollouts = [
          RolloutMemory(description, sequences: task.sequences, longest: task.sequenceLength + 1, terms)
        ]
      }
      return layout
    }
    func fits(_ memory: TrainingMemory, _ ranksPerNode: Int) -> Bool { memory.least <= room / ranksPerNode }
    options = Set([1, node.numaNodes]).sorted().map { ranksPerNode in
      let layout = layout(ranksPerNode, nodeCount)
      let (rank, memory) = TrainingMemory.busiest(layout)
      // A rank that has more sequences than others sets the pace.
      let most = layout.samples.map { layout.leafCount(of: $0) }.max() ?? 0
      let balance = Double(task.sequences) / Double(max(1, most * layout.terms.rankCount))
      var forecast = TrainingForecast(
        steps: task.steps, tokens: task.tokens, operations: operations,
        peak: node.operationsPerSecond * Double(nodeCount), utilization: task.utilization * min(1, balance),
        nodes: nodeCount)
      let (bytes, messages) = layout.exchange
      forecast.exchangeSeconds = nodeCount > 1 ? exchange(bytes, messages) : 0
      return Option(
        ranksPerNode: ranksPerNode, ranks: layout.terms.rankCount, rank: rank, memory: memory,
        fits: fits(memory, ranksPerNode), forecast: forecast)
    }
    nodesNeeded = Self.least { fits(TrainingMemory.busiest(layout(1, $0)).memory, 1) }
  }

  /// The least number that will do, where larger ones do too.
  private static func least(_ isEnough: (Int) -> Bool) -> Int? {
    var high = 1
    while !isEnough(high) {
      guard high < mostNodes else { return nil }
      high *= 2
    }
    var low = high / 2
    while high - low > 1 {
      let middle = (low + high) / 2
      if isEnough(middle) { high = middle } else { low = middle }
    }
    return high
  }

  /// The layout that fits and is done first.
  package var best: Option? { options.filter(\.fits).min { $0.forecast.seconds < $1.forecast.seconds } }
}
