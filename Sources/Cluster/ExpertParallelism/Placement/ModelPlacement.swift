import Fabric

/// Which ranks hold which experts, layer by layer.
package struct ModelPlacement: Sendable, Equatable {
  /// Of layers of which nothing else is said.
  package let base: ExpertPlacement
  /// By layer of the model, up to the last of which something is said.
  private let layers: [ExpertPlacement]
  /// The most partial outputs that one rank returns for a token.
  package let rowLimit: Int

  package var rankCount: Int { base.rankCount }
  package var expertCount: Int { base.expertCount }

  /// The same in every layer.
  package init(_ base: ExpertPlacement) { self.init(base, layers: [:]) }

  /// The plain one of `expertCount` experts on `rankCount` ranks, in every layer.
  package init(expertCount: Int, rankCount: Int) {
    self.init(ExpertPlacement(expertCount: expertCount, rankCount: rankCount))
  }

  /// `layers`, of as many experts and ranks as `base`, by their number in the model.
  package init(_ base: ExpertPlacement, layers: [Int: ExpertPlacement]) {
    precondition(
      layers.values.allSatisfy { $0.rankCount == base.rankCount && $0.expertCount == base.expertCount },
      "layers of other numbers of experts or ranks")
    self.base = base
    self.layers = (0..<((layers.keys.max() ?? -1) + 1)).map { layers[$0] ?? base }
    rowLimit = ([base] + layers.values).map(\.subtreeLimit).max() ?? 0
  }

  /// The placement of a layer, by its number in the model; of one without experts of its own the common one.
  package subscript(layer: Int) -> ExpertPlacement { layers.indices.contains(layer) ? layers[layer] : base }

  /// Whether a rank owns an expert of a layer or holds a replica.
  package func holds(layer: Int, expert: Int, _ rank: Rank) -> Bool { self[layer].holds(expert, rank) }

  /// Experts that a rank holds in these layers together.
  package func expertCount(of rank: Rank, layers: [Int]) -> Int {
    layers.reduce(0) { $0 + self[$1].expertCount(of: rank) }
  }

  /// Experts held beside their owners, in layers of which something is said.
  package var replicaCount: Int {
    layers.reduce(0) { sum, layer in sum + layer.replicas.reduce(0) { $0 + $1.count } }
  }

  /// The same with another placement in one layer.
  package func replacing(layer: Int, with placement: ExpertPlacement) -> ModelPlacement {
    var all = Dictionary(uniqueKeysWithValues: layers.enumerated().map { ($0, $1) })
    all[layer] = placement
    return ModelPlacement(base, layers: all)
  }

  package static func == (a: ModelPlacement, b: ModelPlacement) -> Bool {
    a.base == b.base && (0..<max(a.layers.count, b.layers.count)).allSatisfy { a[$0] == b[$0] }
  }
}
