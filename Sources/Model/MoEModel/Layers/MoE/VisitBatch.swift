import Tensors

/// One token's visit to one expert.
package struct ExpertVisit: BitwiseCopyable {
  /// Which of the inputs it reads.
  package var row: Int32
  package var expert: Int32
  /// The factor on its output.
  package var weight: Float

  package init(row: Int32, expert: Int32, weight: Float) {
    (self.row, self.expert, self.weight) = (row, expert, weight)
  }
}

/// Visits to one rank's experts in one layer that are computed together, and the rows of output they make.
package final class VisitBatch {
  /// Visits of one token whose outputs are added up here, to one row: experts of one subtree of `CombineTree`.
  package struct Subtree: BitwiseCopyable {
    /// Its first visit, and how many it has.
    package var first: Int
    package var count: Int

    package init(first: Int, count: Int) { (self.first, self.count) = (first, count) }
  }

  @exclusivity(unchecked) package private(set) var layer = 0
  /// Input rows `[hidden]`, each as `Rows.form` gives it; they need not outlive the computation.
  package let inputs = GrowingList<UnsafeRawPointer>()
  package let visits = GrowingList<ExpertVisit>()
  /// The expert of each visit.
  package let experts = GrowingList<Int32>()
  /// Runs of visits, ascending in expert, that together are all visits.
  package let subtrees = GrowingList<Subtree>()
  /// By subtree: Σ weight(v) · expert(v)(input(v)) along `CombineTree`, `[hidden]`, which its reader may overwrite.
  /// Written by whoever computes the batch; valid until it begins anew.
  package let outputs = GrowingList<UnsafeMutablePointer<Float>>()
  /// Distinct experts visited, as counted by whoever computed the batch.
  @exclusivity(unchecked) package var distinctExpertCount = 0
  @exclusivity(unchecked) private var products = AlignedBuffer<Float>(count: 1)

  package init() {}

  /// Empties the batch for the layer of this number in the model.
  package func begin(layer: Int) {
    self.layer = layer
    inputs.removeAll()
    visits.removeAll()
    experts.removeAll()
    subtrees.removeAll()
    outputs.removeAll()
    distinctExpertCount = 0
  }

  /// Adds a visit to the expert, of the last of `inputs`, whose output counts `weight` times; it begins a subtree or
  /// goes on with the last one.
  package func append(expert: Int32, weight: Float, beginsSubtree: Bool) {
    if beginsSubtree { subtrees.append(Subtree(first: visits.count, count: 0)) }
    visits.append(ExpertVisit(row: Int32(inputs.count - 1), expert: expert, weight: weight))
    experts.append(expert)
    subtrees.elements[subtrees.count - 1].count += 1
  }

  /// Memory for `count` numbers that lives as long as the outputs: for one product `[hidden]` a visit.
  package func reserveProducts(_ count: Int) -> UnsafeMutablePointer<Float> {
    if products.count < count { products = AlignedBuffer(count: count + count / 2) }
    return products.pointer
  }
}
