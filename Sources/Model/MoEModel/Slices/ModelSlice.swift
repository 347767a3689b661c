/// One rank's part of a model that ranks share out by output element: heads of attention, rows of
/// matrices. What a rank computes so has the bits it would have anywhere: no sum is divided.
package struct ModelSlice: Sendable, Hashable {
  package let rank: Int
  package let rankCount: Int
  /// Whether routed experts are divided in the same way; else each is some rank's.
  package let dividesExperts: Bool

  /// The part of rank `rank` of `rankCount`.
  package init(rank: Int, of rankCount: Int, dividesExperts: Bool) {
    (self.rank, self.rankCount, self.dividesExperts) = (rank, rankCount, dividesExperts)
  }

  /// Which of `count` rows of a matrix each rank has, in order: about as many each, from multiples of the columns that
  /// share a scale, or of a panel's rows, where that divides them evenly enough.
  package func ranges(of count: Int) -> [Range<Int>] {
    for unit in [64, 16] {
      let ranges = ranges(of: count, unit: unit)
      // The largest is at most a quarter more than the mean.
      if 4 * rankCount * (ranges.map(\.count).max() ?? 0) <= 5 * count { return ranges }
    }
    return ranges(of: count, unit: 1)
  }

  private func ranges(of count: Int, unit: Int) -> [Range<Int>] {
    let units = (count + unit - 1) / unit
    func bound(_ rank: Int) -> Int { min(units * rank / rankCount * unit, count) }
    return (0..<rankCount).map { bound($0)..<bound($0 + 1) }
  }

  /// Which of latent attention's heads each rank has.
  package func heads(of attention: LatentAttention) -> [Range<Int>] {
    (0..<rankCount).map { (attention.headCount * $0 / rankCount)..<(attention.headCount * ($0 + 1) / rankCount) }
  }

  /// Which heads of grouped attention each rank has: key heads with all their queries, or, where there are fewer key
  /// heads than ranks, some queries of one key head, which each rank that has some of them keeps. Some ranks have none
  /// where heads are fewer than ranks.
  package func heads(of attention: GroupedAttention) -> [(queries: Range<Int>, keys: Range<Int>)] {
    heads(keys: attention.keyValueHeadCount, perKey: attention.queriesPerKey).map {
      (queries: $0.others, keys: $0.keys)
    }
  }

  /// Which heads of gated DeltaNet each rank has, by the same rule: key heads with all their value heads, or some value
  /// heads of one key head. A value head's matrix of the state is on one rank only.
  package func heads(of delta: GatedDelta) -> [(values: Range<Int>, keys: Range<Int>)] {
    heads(keys: delta.keyHeadCount, perKey: delta.valuesPerKey).map { (values: $0.others, keys: $0.keys) }
  }

  /// Key heads, and the others of which `perKey` share each.
  func heads(keys keyCount: Int, perKey: Int) -> [(others: Range<Int>, keys: Range<Int>)] {
    (0..<rankCount).map { rank in
      guard keyCount < rankCount else {
        let keys = (keyCount * rank / rankCount)..<(keyCount * (rank + 1) / rankCount)
        return (keys * perKey, keys)
      }
      let key = rank * keyCount / rankCount
      // The ranks that share this key head.
      let first = (key * rankCount + keyCount - 1) / keyCount
      let count = ((key + 1) * rankCount + keyCount - 1) / keyCount - first
      let part = rank - first
      let queries = (key * perKey + perKey * part / count)..<(key * perKey + perKey * (part + 1) / count)
      return (queries, queries.isEmpty ? key..<key : key..<(key + 1))
    }
  }

  /// The rank's own part of attention, as a layer that has these heads only.
  package func own(_ attention: AttentionDescription) -> AttentionDescription {
    switch attention {
    case .latent(var latent):
      latent.headCount = heads(of: latent)[rank].count
      return .latent(latent)
    case .grouped(var grouped):
      let own = heads(of: grouped)[rank]
      (grouped.headCount, grouped.keyValueHeadCount) = (own.queries.count, own.keys.count)
      return .grouped(grouped)
    case .delta(var delta):
      let own = heads(of: delta)[rank]
      (delta.keyHeadCount, delta.valueHeadCount) = (own.keys.count, own.values.count)
      return .delta(delta)
    case .compressed: return attention
    }
  }
}

extension Range<Int> {
  /// The numbers of these heads, of `width` each.
  static func * (heads: Range<Int>, width: Int) -> Range<Int> {
    (heads.lowerBound * width)..<(heads.upperBound * width)
  }
}
