import DistributedTraining
import Fabric

/// One update of the model by some judged groups.
struct PolicyUpdate {
  /// A completion that is learnt from.
  struct Sequence {
    let prompt: [Int32]
    let completion: Completion
    /// Of its tokens, over what losses are divided by.
    let weight: Float
    let penalty: Float
    var sequenceRatio: Float?

    var rows: Int { prompt.count + completion.tokens.count - 1 }
  }

  private(set) var sequences: [Sequence] = []
  let plan: LeafPlan

  /// Of all completions of the groups that have an advantage; losses are divided by what all completions have.
  init(_ groups: [SampledGroup], _ objective: PolicyObjective, maxNewTokens: Int, leafCount: Int) {
    func counts(_ completion: Completion) -> Bool {
      !completion.tokens.isEmpty && !(objective.masksCut && completion.isCut)
    }
    var (tokenCount, count) = (0, 0)
    for completion in groups.flatMap(\.completions) where counts(completion) {
      tokenCount += completion.tokens.count
      count += 1
    }
    for group in groups {
      for (completion, advantage) in zip(group.completions, group.advantages) where counts(completion) {
        // Where nothing but the reference pulls, it pulls all the same.
        guard advantage != 0 || objective.referencePenalty > 0 else { continue }
        let divisor =
          switch objective.mean {
          case .tokens: Double(tokenCount)
          case .completions: Double(count) * Double(completion.tokens.count)
          case .limit: Double(count) * Double(maxNewTokens)
          }
        sequences.append(
          Sequence(
            prompt: group.prompt.tokens, completion: completion, weight: Float(advantage / divisor),
            penalty: Float(objective.referencePenalty / divisor)))
      }
    }
    plan = LeafPlan(rows: sequences.map(\.rows), leafCount: leafCount)
  }

  /// Some of its sequences as a leaf.
  init(first count: Int, of other: PolicyUpdate) {
    sequences = Array(other.sequences.prefix(count))
    plan = LeafPlan(rows: sequences.map(\.rows), leafCount: 1)
  }

  var isEmpty: Bool { sequences.isEmpty }
  var tokenCount: Int { sequences.reduce(0) { $0 + $1.rows } }

  /// Writes a leaf's rows; and tells `loss` of them, where it is to know.
  func read(_ leaf: Int, into rows: inout LeafRows, _ loss: PolicyLoss?) {
    for sequence in sequences[plan.leaves[leaf]] {
      rows.append(sequence.prompt.map { ~$0 } + sequence.completion.tokens)
      guard let loss else { continue }
      for _ in 1..<max(1, sequence.prompt.count) { loss.append(nil) }
      for sampled in sequence.completion.logprobs {
        loss.append(
          PolicyLoss.Token(
            weight: sequence.weight, sampled: sampled, sequenceRatio: sequence.sequenceRatio), penalty: sequence.penalty
        )
      }
    }
  }

  /// What all ranks' rows told, leaf by leaf. Collective.
  func findings(_ loss: PolicyLoss, own: Range<Int>, over communicator: any Communicator) throws -> PolicyFindings {
    var row = 0
    let sums = own.map { leaf in
      var sum = PolicyFindings()
      for _ in 0..<plan.rowsByLeaf[leaf] {
        if let token = loss.token(row) { sum.add(loss.finding(row), sampled: token.sampled) }
        row += 1
      }
      return sum
    }
    return try .total(sums, over: communicator)
  }

  /// Gives the sequences of some leaves the ratio of whole completions, from log π of their tokens now.
  mutating func setSequenceRatios(_ values: [Float], ofLeaves own: Range<Int>) {
    var first = 0
    for i in own.flatMap({ plan.leaves[$0] }) {
      let sampled = sequences[i].completion.logprobs
      var sum = 0.0
      for (j, old) in sampled.enumerated() { sum += Double(values[first + j]) - Double(old) }
      sequences[i].sequenceRatio = Float(sum / Double(max(1, sampled.count)))
      first += sampled.count
    }
  }
}
