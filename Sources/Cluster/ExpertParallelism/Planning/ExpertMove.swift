import Fabric

/// Who is to hold an expert, instead of those who do. Ranks that have not held it get its weights from its owner so
/// far.
package struct ExpertMove: Sendable, Equatable {
  /// Its number in the model, and the expert's in it.
  package var layer: Int
  package var expert: Int
  /// The owner first; none twice.
  package var holders: [Rank]

  /// Afterwards `holders` hold the expert, its owner first.
  package init(layer: Int, expert: Int, holders: [Rank]) {
    (self.layer, self.expert, self.holders) = (layer, expert, holders)
  }
}

extension ExpertPlacement {
  /// All ranks that hold an expert, owner first, the others ascending.
  package func ranks(holding expert: Int) -> [Rank] { [owners[expert]] + replicas[expert] }
}

extension ModelPlacement {
  /// What it is after some moves, of layers that it tells of.
  package func applying(_ moves: [ExpertMove]) -> ModelPlacement {
    var result = self
    for (layer, moves) in Dictionary(grouping: moves, by: \.layer) {
      let old = self[layer]
      var (owners, replicas) = (old.owners, old.replicas)
      for move in moves {
        owners[move.expert] = move.holders[0]
        replicas[move.expert] = Array(move.holders.dropFirst())
      }
      result = result.replacing(
        layer: layer, with: ExpertPlacement(owners: owners, replicas: replicas, rankCount: rankCount))
    }
    return result
  }
}
