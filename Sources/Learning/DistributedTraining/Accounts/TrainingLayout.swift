import ExpertParallelism
import Fabric
import Gradients
import MoEModel
import Training
import TreeReduction

/// A training as it lies on its ranks: what accounts of it follow from, and nothing that must be loaded for them.
package struct TrainingLayout: Sendable {
  /// What is not decided by the model.
  package struct Terms: Sendable, Equatable {
    package var optimizer = OptimizerKind.adamW
    /// Tokens that a sequence predicts.
    package var sequenceLength: Int
    /// Of the largest step, over all ranks.
    package var sequences: Int
    /// What they make up, where each is not a leaf of its own.
    package var leaves: Int?
    package var rankCount: Int
    package var ranksPerHost: Int
    /// Worker threads of a rank.
    package var workerCount: Int
    /// Whether the backward pass makes each layer's activations anew.
    package var recomputes = false
    /// What products' operands are rounded to.
    package var products = ProductPrecision.float32
    /// When checkpoints are written; nil for a training that is not asked.
    package var checkpoints: CheckpointMode?

    package init(sequenceLength: Int, sequences: Int, rankCount: Int, ranksPerHost: Int, workerCount: Int) {
      (self.sequenceLength, self.sequences, self.rankCount) = (sequenceLength, sequences, rankCount)
      (self.ranksPerHost, self.workerCount) = (ranksPerHost, workerCount)
    }
  }

  /// A parameter that every rank computes with.
  struct Shared: Sendable {
    let spec: ParameterSpec
    let rule: UpdateRule
    /// Elements of each rank's slice.
    let slices: [Int]
    let widestSlice: Int
  }

  package let description: DecoderDescription
  package let terms: Terms
  /// Bytes that a rank takes for a model that is asked beside the one in training.
  package var teacherBytes: @Sendable (_ rank: Int) -> Int = { _ in 0 }
  /// What each rank takes to sample completions, by model that samples.
  package var rollouts: [RolloutMemory] = []
  let shared: [Shared]
  /// Those of one expert of each layer that has some, all experts of a layer being alike.
  let expert: [ParameterSpec]
  let placement: ExpertPlacement
  let tree: LeafTree

  /// `description` is that of a `ShapeCheckpoint`, which bounds its sizes, with a prediction module if one
  /// is to be trained.
  package init(_ description: DecoderDescription, _ terms: Terms) {
    (self.description, self.terms) = (description, terms)
    var owners = SliceOwners(rankCount: terms.rankCount)
    var (shared, expert): ([Shared], [ParameterSpec]) = ([], [])
    let table = ParameterTable(description)
    for spec in table where table.holder(of: spec.id) == spec.id {
      guard let number = spec.expert else {
        let rule = terms.optimizer.rule(of: spec)
        let slices = owners.slices(of: spec, rule: rule).map(\.count)
        shared.append(Shared(spec: spec, rule: rule, slices: slices, widestSlice: slices.max() ?? 0))
        continue
      }
      if number == 0 { expert.append(spec) }
    }
    (self.shared, self.expert) = (shared, expert)
    placement = ExpertPlacement(expertCount: description.moe?.expertCount ?? 0, rankCount: terms.rankCount)
    let counts = (0..<terms.rankCount).map { Self.leaves(of: $0, terms).count }
    tree = LeafTree(counts: counts)
  }

  /// The leaves of the largest step that a rank has.
  private static func leaves(of rank: Int, _ terms: Terms) -> Range<Int> {
    Trainer.leaves(of: rank, count: terms.leaves ?? terms.sequences, rankCount: terms.rankCount)
  }

  func leafCount(of rank: Int) -> Int { Self.leaves(of: rank, terms).count }

  /// Sequences of a leaf, on average.
  private var sequencesOfLeaf: Double { terms.leaves.map { Double(terms.sequences) / Double(max(1, $0)) } ?? 1 }

  /// The sequences of the largest step that a rank has, where leaves are alike.
  func sequences(of rank: Int) -> Double { Double(leafCount(of: rank)) * sequencesOfLeaf }

  /// The rows of them.
  func rows(of rank: Int) -> Double { sequences(of: rank) * Double(terms.sequenceLength) }

  /// The rows of a leaf.
  var leafRows: Double { sequencesOfLeaf * Double(terms.sequenceLength) }

  func ownsExperts(_ rank: Int) -> Int { placement.expertCount(of: Rank(rank)) }

  /// Whether two ranks share a host, where hosts take ranks in runs.
  func shareHost(_ a: Int, _ b: Int) -> Bool { a / max(1, terms.ranksPerHost) == b / max(1, terms.ranksPerHost) }

  /// Ranks worth looking at: all, or of very many some, the first and the last among them. Ranks differ by a sequence,
  /// by an expert of each layer, and by whole matrices of Muon's.
  var samples: [Int] {
    guard terms.rankCount > 64 else { return Array(0..<terms.rankCount) }
    return Array(stride(from: 0, to: terms.rankCount, by: terms.rankCount / 32)) + [terms.rankCount - 1]
  }

  /// A layer's part that a token's choice of `topK` of `expertCount` experts meets with even routing: the chance that
  /// some of `count` experts is among them.
  func chance(ofSome count: Int) -> Double {
    guard let moe = description.moe, count > 0 else { return 0 }
    let (all, chosen) = (moe.expertCount, min(moe.topK, moe.expertCount))
    guard all - count >= chosen else { return 1 }
    var none = 1.0
    for place in 0..<chosen { none *= Double(all - count - place) / Double(all - place) }
    return 1 - none
  }

  /// Rows that a rank returns for a token, on average: one for each of its subtrees that the token visits.
  func returnedRows(by rank: Int) -> Double {
    let (owners, levels) = (placement.owners, placement.levels)
    var rows = 0.0
    var expert = 0
    while expert < owners.count {
      let size = min(1 << levels[expert], owners.count - expert)
      if owners[expert].index == rank { rows += chance(ofSome: size) }
      expert += size
    }
    return rows
  }
}
