import ExpertParallelism
import Fabric
import Kernels
import MoEModel
import Training
import TreeReduction

/// Parameters, what is kept of them, and their gradients (`TrainedModel`).
extension TrainingMemory {
  mutating func addParameters(_ layout: TrainingLayout, _ rank: Int) {
    let tree = layout.tree
    let (partCount, ownParts) = (tree.parts.count, tree.parts.count { $0.owner == Rank(rank) })
    let (apart, accumulated) = (
      Double(LeafSums.bufferCount(tree, rank: Rank(rank))),
      Double(LeafSums.bufferCount(tree, rank: Rank(rank), accumulated: true))
    )
    for parameter in layout.shared {
      let (spec, own) = (parameter.spec, Double(parameter.slices[rank]))
      add(spec, rule: parameter.rule, own: own)
      let buffers = Self.accumulates(spec, layout) ? accumulated : apart
      if parameter.rule.learns { add(.gradients, floats: buffers * Double(spec.elementCount)) }
      add(
        .gradients,
        Double(
          TreeReduction.byteCount(
            partCount: partCount, ownParts: ownParts, rankCount: layout.terms.rankCount,
            widestSlice: parameter.widestSlice)))
      guard spec.role == .embedding, layout.description.tiedEmbeddings else { continue }
      // The head's part of the gradient, by leaf and in the end.
      let head = Self.accumulates(ParameterSpec.head(like: spec), layout) ? accumulated : apart
      add(.gradients, floats: head * Double(spec.elementCount) + own)
    }
    let experts = Double(layout.ownsExperts(rank))
    for spec in layout.expert {
      add(spec, rule: layout.terms.optimizer.rule(of: spec), own: Double(spec.elementCount), times: experts)
    }
    addCheckpoints(layout, rank)
    addMuon(layout, rank)
    addLargest(layout, rank)
  }

  /// `Snapshot` of what the rank owns, and on rank 0 `PieceQueue`, which is full while the disk is slower than memory.
  private mutating func addCheckpoints(_ layout: TrainingLayout, _ rank: Int) {
    guard let mode = layout.terms.checkpoints else { return }
    if mode == .background { add(.checkpoints, Double(byteCount(.masters)) + Double(byteCount(.optimizer))) }
    guard rank == 0 else { return }
    func numbers(_ spec: ParameterSpec, _ rule: UpdateRule) -> Double {
      Double(spec.elementCount) * Double(rule.parts.count)
    }
    let shared = layout.shared.reduce(0) { $0 + numbers($1.spec, $1.rule) }
    let expert = layout.expert.reduce(0) { $0 + numbers($1, layout.terms.optimizer.rule(of: $1)) }
    let all = shared + expert * Double(layout.placement.owners.count)
    add(.checkpoints, floats: min(Double(PieceQueue.capacity), all))
  }

  /// Whether a leaf's gradient is added to another's as it is computed: that of a matrix which is one product. Those of
  /// the head are, where a leaf's rows are one block of logits.
  private static func accumulates(_ spec: ParameterSpec, _ layout: TrainingLayout) -> Bool {
    switch spec.role {
    case .embedding: false
    case .head: layout.leafRows <= 256 && !layout.description.predicts
    default: spec.isMatrix
    }
  }

  /// `times` parameters like this one, of each of which the rank owns so many elements.
  private mutating func add(_ spec: ParameterSpec, rule: UpdateRule, own: Double, times: Double = 1) {
    let count = Double(spec.elementCount)
    add(.weights, times * Self.held(spec))
    add(.values, floats: times * count)
    add(.masters, floats: times * own)
    add(.optimizer, floats: times * own * Double(rule.parts.count - 1))
    add(.gradients, floats: times * own)
  }

  /// Bytes in which the engine holds a parameter of a `ShapeCheckpoint`.
  private static func held(_ spec: ParameterSpec) -> Double {
    guard spec.isMatrix else { return 4 * Double(spec.rows) }
    return spec.parts.reduce(0) {
      $0 + Double(PackedMatrix.panelCount(rows: $1.rows))
        * Double(WeightFormat.bfloat16.panelByteCount(columns: $1.columns))
    }
  }

  /// `MuonScratch` of each worker: three matrices of the size of the largest, and two squares of its shorter side.
  private mutating func addMuon(_ layout: TrainingLayout, _ rank: Int) {
    var own = layout.shared.filter { $0.rule == .muon && $0.slices[rank] > 0 }.map(\.spec)
    if layout.ownsExperts(rank) > 0 { own += layout.expert.filter { layout.terms.optimizer.rule(of: $0) == .muon } }
    let sizes = own.map { spec in
      3 * Double(spec.elementCount) + 2 * Double(min(spec.rows, spec.columns)) * Double(min(spec.rows, spec.columns))
    }
    add(.optimizer, floats: Double(layout.terms.workerCount) * (sizes.max() ?? 0))
  }

  /// Memory for some parameters at a time: those on their way to other ranks in bf16, and those that go next; on rank
  /// 0, which writes checkpoints, pieces of one in fp32 and bf16.
  private mutating func addLargest(_ layout: TrainingLayout, _ rank: Int) {
    let counts = layout.shared.map(\.spec.elementCount)
    let shared = counts.max() ?? 0
    if layout.terms.rankCount > 1 {
      let all = counts.reduce(0) { $0 + Double($1) }
      let group = Double(max(shared, TrainedModel.groupCount))
      add(.scratch, 2 * min(all, 2 * group))
    }
    guard rank == 0 else { return }
    let largest = max(shared, layout.expert.map(\.elementCount).max() ?? 0)
    add(.scratch, 6 * Double(min(largest, SavePlan.pieceLength)))
  }
}

extension ParameterSpec {
  /// The head of a tied model, whose values are the embedding's.
  fileprivate static func head(like embedding: ParameterSpec) -> ParameterSpec {
    var head = embedding
    head.id = ParameterID(.head)
    return head
  }
}
