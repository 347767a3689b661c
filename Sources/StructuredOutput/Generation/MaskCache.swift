/// Masks by set of configurations, found by walking the vocabulary's trie with the automaton.
struct MaskCache {
  /// How many masks are kept: 16 KiB each for a vocabulary of 129,000.
  static let countLimit = 256

  var sets: ConfigurationSets
  private let vocabulary: TokenVocabulary
  private var masks: [ConfigurationSets.SetID: TokenMask] = [:]
  private var path: [ConfigurationSets.SetID]

  init(_ automaton: PushdownAutomaton, vocabulary: TokenVocabulary) {
    sets = ConfigurationSets(automaton)
    self.vocabulary = vocabulary
    path = [ConfigurationSets.SetID](repeating: ConfigurationSets.dead, count: vocabulary.depth + 1)
  }

  /// To be called before a state's set is looked up.
  mutating func trim() { if sets.forgetIfLarge() { masks.removeAll() } }

  /// The set after `token`, or `dead`. Not for tokens that end the output.
  mutating func next(_ set: ConfigurationSets.SetID, token: Int32) -> ConfigurationSets.SetID {
    guard token >= 0, Int(token) < vocabulary.size else { return ConfigurationSets.dead }
    guard let text = vocabulary.texts[Int(token)] else { return sets.next(set, token: token) }
    var set = set
    for byte in text {
      set = sets.next(set, byte)
      if set == ConfigurationSets.dead { break }
    }
    return set
  }

  mutating func mask(_ set: ConfigurationSets.SetID) -> TokenMask {
    if let known = masks[set] { return known }
    var mask = TokenMask(vocabularySize: vocabulary.size)
    walk(from: set, into: &mask)
    for configuration in sets.members[Int(set)] {
      for edge in sets.automaton.tokens(configuration.state) where sets.next(set, token: edge.label) >= 0 {
        mask.insert(edge.label)
      }
    }
    if sets.isComplete[Int(set)] { for token in vocabulary.endTokens { mask.insert(token) } }
    if masks.count >= Self.countLimit { masks.removeAll() }
    masks[set] = mask
    return mask
  }

  private mutating func walk(from set: ConfigurationSets.SetID, into mask: inout TokenMask) {
    path[0] = set
    var node = 1
    // The fast pass stops where the automaton has to grow.
    while true {
      node = mask.words.withUnsafeMutableBufferPointer { words in
        path.withUnsafeMutableBufferPointer { path in
          sets.transitions.withUnsafeBufferPointer { transitions in
            Self.walk(
              vocabulary, classes: sets.automaton.sharedClasses, classCount: sets.automaton.sharedClassCount,
              transitions: transitions, from: node, path: path, words: words)
          }
        }
      }
      guard node < vocabulary.nodeBytes.count else { return }
      _ = sets.next(path[Int(vocabulary.nodeDepths[node]) - 1], vocabulary.nodeBytes[node])
    }
  }

  /// Walks on from `node` and returns the first node whose transition is unknown, or the number of nodes.
  private static func walk(
    _ vocabulary: TokenVocabulary, classes: [UInt8], classCount: Int, transitions: UnsafeBufferPointer<Int32>,
    from node: Int, path: UnsafeMutableBufferPointer<Int32>, words: UnsafeMutableBufferPointer<UInt64>
  ) -> Int {
    vocabulary.withTrie { bytes, depths, ends, firstTokens, tokens in
      classes.withUnsafeBufferPointer { classes in
        var node = node
        let count = bytes.count
        while node < count {
          let depth = Int(depths[node])
          let next = transitions[Int(path[depth - 1]) * classCount + Int(classes[Int(bytes[node])])]
          if next < 0 {
            if next == ConfigurationSets.unknown { return node }
            node = Int(ends[node])
            continue
          }
          path[depth] = next
          var token = Int(firstTokens[node])
          let last = Int(firstTokens[node + 1])
          while token < last {
            let id = Int(tokens[token])
            words[id >> 6] |= 1 << UInt64(id & 63)
            token += 1
          }
          node += 1
        }
        return node
      }
    }
  }
}

extension TokenVocabulary {
  /// Bytes, depths, ends, first tokens and tokens of the trie.
  fileprivate func withTrie<Result>(
    _ body: (
      UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<Int32>, UnsafeBufferPointer<Int32>, UnsafeBufferPointer<Int32>,
      UnsafeBufferPointer<Int32>
    ) -> Result
  ) -> Result {
    nodeBytes.withUnsafeBufferPointer { bytes in
      nodeDepths.withUnsafeBufferPointer { depths in
        nodeEnds.withUnsafeBufferPointer { ends in
          firstTokens.withUnsafeBufferPointer { first in
            nodeTokens.withUnsafeBufferPointer { tokens in body(bytes, depths, ends, first, tokens) }
          }
        }
      }
    }
  }
}
