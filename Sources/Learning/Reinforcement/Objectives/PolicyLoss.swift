import Backpropagation
import DistributedTraining
import Fabric
import Gradients
import Kernels
import MoEModel
import Tensors

/// −min(ρ A, clip(ρ) A) of each token, and β · KL(π ‖ reference) where there is a reference: as a factor of −log
/// π(token), whose gradient is the same.
///
/// Rows are added as the trainer reads them. What each row told is kept, by row, until the next update.
final class PolicyLoss: TaughtLoss {
  /// What is known of a token before the update.
  struct Token {
    /// Its advantage over what losses are divided by.
    var weight: Float
    /// log π when it was sampled.
    var sampled: Float
    /// log of the ratio of its completion; nil where ratios are the tokens' own.
    var sequenceRatio: Float?
  }

  /// What was found.
  struct Told: BitwiseCopyable {
    var isLearnt = false
    var logprob: Float = 0
    var entropy = 0.0
    var isClipped = false
    var divergence = 0.0
  }

  private let objective: PolicyObjective
  /// By row, nil where nothing is learnt.
  private var tokens: [Token?] = []
  /// β over what losses are divided by, by row.
  private var penalties: [Float] = []
  /// Written by all workers, each its own rows.
  private var told = AlignedBuffer<Told>(count: 1)
  private var isClosed = false

  /// Asked of each block of rows: the reference's logits.
  private let reference: FrozenModel?
  private let communicator: (any Communicator)?
  /// The reference's logits of the rows under way.
  var block: (first: Int, logits: MatrixView<Float>)?

  /// `reference`: where the objective has a penalty.
  init(_ objective: PolicyObjective, reference: FrozenModel? = nil, on communicator: (any Communicator)? = nil) {
    (self.objective, self.reference, self.communicator) = (objective, reference, communicator)
  }

  func begin(_ batch: DecoderBatch, rowsByRank: [Int]) throws {
    guard let reference, let communicator else { return }
    try reference.forward(batch, rowsByRank: rowsByRank, on: communicator)
  }

  /// Begins an update.
  func begin() {
    isClosed = false
    tokens.removeAll(keepingCapacity: true)
    penalties.removeAll(keepingCapacity: true)
  }

  /// Adds a row; nil for one of which nothing is learnt. `penalty`: β over what losses are divided by.
  func append(_ token: Token?, penalty: Float = 0) {
    tokens.append(token)
    penalties.append(penalty)
  }

  func begin(rows: Range<Int>) {
    if !isClosed { close() }
    block = reference.map { (rows.lowerBound, $0.logits(ofRows: rows)) }
  }

  /// All rows have been added.
  private func close() {
    isClosed = true
    if told.count < tokens.count { told = AlignedBuffer(count: tokens.count + tokens.count / 2) }
    for row in tokens.indices { told.pointer[row] = Told() }
  }

  func token(_ row: Int) -> Token? { tokens[row] }
  /// What a row told.
  func finding(_ row: Int) -> Told { told.pointer[row] }

  func learn(_ row: LogitRow, factor: Float, on compute: Compute, worker: Int) -> TargetScore? {
    guard row.target >= 0, let token = tokens[row.number] else {
      return compute.crossEntropy(row.logits, count: row.count, target: -1, factor: 0)
    }
    let logprob = compute.logprob(row.logits, count: row.count, target: row.target)
    let entropy = compute.entropy(row.logits, count: row.count)
    let logRatio = token.sequenceRatio ?? (logprob - token.sampled)
    let ratio = logRatio == 0 ? 1 : exponential(logRatio)
    let isClipped =
      token.weight > 0
      ? ratio > 1 + Float(objective.clipHigh) : token.weight < 0 && ratio < 1 - Float(objective.clipLow)
    var weight = isClipped || token.weight == 0 ? 0 : token.weight * ratio
    var found = Told(isLearnt: true, logprob: logprob, entropy: entropy, isClipped: isClipped)
    let penalty = penalties[row.number]
    if penalty != 0, let reference = referenceLogprob(row, compute) {
      // K3 = e^d − d − 1, d = log reference − log π; by log π it is 1 − e^d.
      let apart = reference - logprob
      let share = exponential(apart)
      weight -= penalty * (1 - share)
      found.divergence = Double(share) - Double(apart) - 1
    }
    told.pointer[row.number] = found
    return compute.crossEntropy(row.logits, count: row.count, target: row.target, factor: weight)
  }

  /// log π of the reference; nil without one.
  private func referenceLogprob(_ row: LogitRow, _ compute: Compute) -> Float? {
    guard let block else { return nil }
    return compute.logprob(block.logits[row.number - block.first], count: row.count, target: row.target)
  }
}
