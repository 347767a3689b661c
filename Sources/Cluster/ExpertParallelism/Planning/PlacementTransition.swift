import Fabric

/// The way from one placement to another, round by round, in the memory that ranks have.
///
/// In a round experts move into memory that is free before it; afterwards what they left is free. Each placement on the
/// way is one that a model can run with. Every rank keeps room for one expert at least between rounds. With it there is
/// always a next round: where a rank has room for one only, it gives an expert away in the same round, and so does
/// whoever takes that, until somebody has room to spare or a circle closes.
package struct PlacementTransition: Sendable {
  package private(set) var current: ModelPlacement
  package let target: ModelPlacement
  private let layers: [Int]
  /// By rank: experts there is free room for.
  private var free: [Int]
  /// Experts that a rank takes in in a round, at most.
  private let limit: Int

  /// Of the experts of `layers`. `free`, by rank, is room beside what a rank holds, in experts; the target must leave
  /// room for one on each. `limit`: experts that a rank takes in in a round, at most.
  package init(from current: ModelPlacement, to target: ModelPlacement, layers: [Int], free: [Int], limit: Int) {
    (self.current, self.target, self.layers, self.free) = (current, target, layers, free)
    self.limit = max(1, limit)
  }

  package var isDone: Bool { layers.allSatisfy { current[$0] == target[$0] } }

  /// Takes note that a round was carried out.
  package mutating func finish(_ round: [ExpertMove]) {
    for move in round {
      let (old, new) = (Set(current[move.layer].ranks(holding: move.expert)), Set(move.holders))
      for rank in old.subtracting(new) { free[rank.index] += 1 }
      for rank in new.subtracting(old) { free[rank.index] -= 1 }
    }
    current = current.applying(round)
  }

  /// What is to be done next; empty where nothing is, or nothing can be.
  package func nextRound() -> [ExpertMove] {
    let released = releases()
    return released.isEmpty ? transfers() : released
  }

  /// Experts that differ, with who holds them and who is to.
  private func differences() -> [(layer: Int, expert: Int, old: [Rank], new: [Rank])] {
    layers.flatMap { layer -> [(layer: Int, expert: Int, old: [Rank], new: [Rank])] in
      let (from, to) = (current[layer], target[layer])
      guard from != to else { return [] }
      return (0..<from.expertCount).compactMap { expert in
        let (old, new) = (from.ranks(holding: expert), to.ranks(holding: expert))
        return old == new ? nil : (layer, expert, old, new)
      }
    }
  }

  /// What costs nothing: whoever is to hold an expert no more lets it go where another has it.
  private func releases() -> [ExpertMove] {
    differences().compactMap { layer, expert, old, new in
      let staying = new.filter { old.contains($0) }
      let holders = staying.isEmpty ? [old[0]] : staying
      return holders == old ? nil : ExpertMove(layer: layer, expert: expert, holders: holders)
    }
  }

  /// One way of one expert.
  private struct Step {
    var layer: Int
    var expert: Int
    var to: Int
    /// The rank that lets it go; nil where it stays.
    var from: Int?
    var holders: [Rank]
  }

  private func transfers() -> [ExpertMove] {
    let steps = differences().compactMap { layer, expert, old, new -> Step? in
      guard let next = new.first(where: { !old.contains($0) }) else { return nil }
      // After the releases all holders are to stay, or one is there that is not.
      let leaves = old.count == 1 && !new.contains(old[0])
      let holders = leaves ? [next] : new.filter { old.contains($0) || $0 == next }
      return Step(layer: layer, expert: expert, to: next.index, from: leaves ? old[0].index : nil, holders: holders)
    }
    var byGiver: [Int: [Int]] = [:]
    for (index, step) in steps.enumerated() { if let from = step.from { byGiver[from, default: []].append(index) } }
    var chosen: Set<Int> = []
    var (taken, given) = (Array(repeating: 0, count: free.count), Array(repeating: 0, count: free.count))
    for first in steps.indices where !chosen.contains(first) {
      guard let chain = chain(from: first, steps, byGiver, chosen, taken, given) else { continue }
      for index in chain {
        chosen.insert(index)
        taken[steps[index].to] += 1
        if let from = steps[index].from { given[from] += 1 }
      }
    }
    return chosen.sorted().map {
      ExpertMove(layer: steps[$0].layer, expert: steps[$0].expert, holders: steps[$0].holders)
    }
  }

  /// A step, and those that must come with it so that every rank keeps room; nil where there is none for it in this
  /// round.
  private func chain(
    from first: Int, _ steps: [Step], _ byGiver: [Int: [Int]], _ chosen: Set<Int>, _ taken: [Int], _ given: [Int]
  ) -> [Int]? {
    var (chain, taken, given) = ([Int](), taken, given)
    var next = first
    while true {
      chain.append(next)
      let rank = steps[next].to
      taken[rank] += 1
      if let from = steps[next].from { given[from] += 1 }
      guard taken[rank] <= min(free[rank], limit) else { return nil }
      // Whoever gives has room again.
      if free[rank] - taken[rank] + given[rank] >= 1 { return chain }
      guard let following = byGiver[rank]?.first(where: { !chosen.contains($0) && !chain.contains($0) }) else {
        return nil
      }
      next = following
    }
  }
}
