/// What a training told step after step, in bounded memory: where there is no more room, steps beside each other are
/// put together.
package struct TrainingHistory: Sendable, Equatable {
  /// Steps that were put together: `width` of them begin where those before end, but for what was never told.
  package struct Bin: Sendable, Equatable {
    package var first: Int
    package var last: Int
    package var steps: Int
    /// By `TrainingMetric`.
    package var mean: [Double]
    package var least: [Double]
    package var most: [Double]
    var policy = PolicySteps()

    mutating func add(_ other: Bin) {
      let (a, b) = (Double(steps), Double(other.steps))
      for i in mean.indices {
        mean[i] = (mean[i] * a + other.mean[i] * b) / (a + b)
        least[i] = min(least[i], other.least[i])
        most[i] = max(most[i], other.most[i])
      }
      (last, steps) = (max(last, other.last), steps + other.steps)
      policy.add(other.policy)
    }
  }

  /// Tokens by layer and expert, `[layers · experts]`, of some steps.
  package struct Loads: Sendable, Equatable {
    package var first: Int
    package var last: Int
    package var tokens: [Int]

    mutating func add(_ other: Loads) {
      for i in tokens.indices { tokens[i] += other.tokens[i] }
      last = max(last, other.last)
    }
  }

  package struct Score: Sendable, Equatable {
    package var step: Int
    package var loss: Double
  }

  package struct Checkpoint: Sendable, Equatable {
    package var step: Int
    package var seconds: Double
  }

  static let binLimit = 512
  static let listLimit = 2048
  /// Numbers of all loads together.
  static let loadLimit = 100_000

  /// Layers that have experts, ascending, and how many these are.
  package let layers: [Int]
  package let expertCount: Int
  package internal(set) var bins: [Bin] = []
  package internal(set) var loads: [Loads] = []
  package internal(set) var scores: [Score] = []
  package internal(set) var checkpoints: [Checkpoint] = []
  /// What the model got right of tasks, ascending by step.
  package internal(set) var taskScores: [TaskScore] = []
  /// Of reinforcement learning, ascending by step.
  package internal(set) var accuracies: [HeldOutAccuracy] = []
  package internal(set) var transcripts: [Transcript] = []
  /// Names of the parts of a reward, in the order in which they came.
  var partNames: [String] = []
  var binWidth = 1
  var loadWidth = 1

  package init(layers: [Int], expertCount: Int) { (self.layers, self.expertCount) = (layers, expertCount) }

  private var loadBinLimit: Int { max(8, min(96, Self.loadLimit / max(1, layers.count * expertCount))) }

  package var lastStep: Int? { bins.last?.last }

  /// Adds a step, later than all before: `values` by `TrainingMetric`, the tokens of each layer's experts, and what
  /// reinforcement learning told of it.
  package mutating func add(
    step: Int, _ values: [Double], loads tokens: [Int: [Int]] = [:], policy: PolicyStep? = nil
  ) {
    guard values.count == TrainingMetric.count, step > lastStep ?? 0 else { return }
    var bin = Bin(first: step, last: step, steps: 1, mean: values, least: values, most: values)
    if let policy {
      bin.policy = PolicySteps(policy)
      name(&bin.policy, in: policy.parts.map { PolicySteps.name($0.name) })
    }
    if let last = bins.last, Self.number(last.first, binWidth) == Self.number(step, binWidth) {
      bins[bins.count - 1].add(bin)
    } else {
      bins.append(bin)
    }
    while bins.count > Self.binLimit {
      binWidth *= 2
      bins = Self.joined(bins, width: binWidth, first: \.first) { $0.add($1) }
    }
    addLoads(step: step, tokens)
  }

  private mutating func addLoads(step: Int, _ tokens: [Int: [Int]]) {
    guard !layers.isEmpty else { return }
    let all = layers.flatMap { tokens[$0] ?? [] }
    guard all.count == layers.count * expertCount else { return }
    let added = Loads(first: step, last: step, tokens: all)
    if let last = loads.last, Self.number(last.first, loadWidth) == Self.number(step, loadWidth) {
      loads[loads.count - 1].add(added)
    } else {
      loads.append(added)
    }
    while loads.count > loadBinLimit {
      loadWidth *= 2
      loads = Self.joined(loads, width: loadWidth, first: \.first) { $0.add($1) }
    }
  }

  /// Notes the mean loss of a token, in nats, on held-out text after `step` steps.
  package mutating func addScore(step: Int, loss: Double) {
    scores.append(Score(step: step, loss: loss))
    scores = Self.thinned(scores)
  }

  /// Notes that writing the checkpoint of `step` held the ranks up for `seconds`.
  package mutating func addCheckpoint(step: Int, seconds: Double) {
    checkpoints.append(Checkpoint(step: step, seconds: seconds))
    checkpoints = Self.thinned(checkpoints)
  }

  /// Forgets what came after a step: a training goes on from there.
  package mutating func goBack(to step: Int) {
    bins.removeAll { $0.last > step }
    loads.removeAll { $0.last > step }
    scores.removeAll { $0.step > step }
    checkpoints.removeAll { $0.step > step }
    accuracies.removeAll { $0.step > step }
    taskScores.removeAll { $0.step > step }
    transcripts.removeAll { $0.step > step }
  }

  private static func number(_ step: Int, _ width: Int) -> Int { (step - 1) / width }

  private static func joined<Item>(
    _ items: [Item], width: Int, first: (Item) -> Int, _ add: (inout Item, Item) -> Void
  ) -> [Item] {
    var joined: [Item] = []
    for item in items {
      if let last = joined.last, number(first(last), width) == number(first(item), width) {
        add(&joined[joined.count - 1], item)
      } else {
        joined.append(item)
      }
    }
    return joined
  }

  /// Every second one, and the last, where there are too many.
  static func thinned<Item>(_ items: [Item]) -> [Item] {
    guard items.count > listLimit else { return items }
    return items.enumerated().filter { $0.offset % 2 == 1 || $0.offset == items.count - 1 }.map(\.element)
  }

  /// By layer, experts to which no token of the last steps in memory went.
  package var deadExperts: [(layer: Int, experts: [Int])] {
    guard let last = loads.last else { return [] }
    return layers.enumerated().compactMap { place, layer in
      let experts = (0..<expertCount).filter { last.tokens[place * expertCount + $0] == 0 }
      return experts.isEmpty ? nil : (layer, experts)
    }
  }
}
