/// Masks by set of configurations, found by walking the vocabulary's trie with the automaton.
struct MaskCache {
  /// How many masks are kept: 16 KiB each for a vocabulary of 129,000.
  static let countLimit = 256

  private var sets: ConfigurationSets
  private let vocabulary: TokenVocabulary
  private var masks: [ConfigurationSets.SetID: TokenMask] = [:]
  private var path: [ConfigurationSets.SetID]

  init(_ automaton: PushdownAutomaton, vocabulary: TokenVocabulary) {
    sets = ConfigurationSets(automaton)
    self.vocabulary = vocabulary
    path = [ConfigurationSets.SetID](repeating: ConfigurationSets.dead, count: vocabulary.depth + 1)
  }

  /// Where a sequence stands before its first token.
  mutating func start() -> GrammarState.Position {
    trim()
    let set = sets.initial()
    return position(set)
  }

  /// The position after `token`, which does not end the output; nil where it is not allowed.
  mutating func advance(_ position: GrammarState.Position, token: Int32) -> GrammarState.Position? {
    let next = next(set(at: position), token: token)
    return next < 0 ? nil : self.position(next)
  }

  /// The tokens that may come next.
  mutating func mask(at position: GrammarState.Position) -> TokenMask { mask(set(at: position)) }

  private mutating func set(at position: GrammarState.Position) -> ConfigurationSets.SetID {
    trim()
    return position.generation == sets.generation ? position.set : sets.intern(position.configurations)
  }

  private func position(_ set: ConfigurationSets.SetID) -> GrammarState.Position {
    .init(
      configurations: sets.members[Int(set)], isComplete: sets.isComplete[Int(set)], set: set,
      generation: sets.generation)
  }

  private mutating func trim() { if sets.forgetIfLarge() { masks.removeAll() } }

  /// The set after `token`, or `dead`.
  private mutating func next(_ set: ConfigurationSets.SetID, token: Int32) -> ConfigurationSets.SetID {
    guard token >= 0, Int(token) < vocabulary.size else { return ConfigurationSets.dead }
    guard let text = vocabulary.texts[Int(token)] else { return sets.next(set, token: token) }
    var set = set
    for byte in text {
      set = sets.next(set, byte)
      if set == ConfigurationSets.dead { break }
    }
    return set
  }

  private mutating func mask(_ set: ConfigurationSets.SetID) -> TokenMask {
    if let known = masks[set] { return known }
    var mask = TokenMask(vocabularySize: vocabulary.size)
    // What tells every text apart goes by itself: a walk would meet a set at each node.
    let compared = sets.members[Int(set)].filter { sets.automaton.comparesItems($0.state) }
    for configuration in compared {
      mask.formUnion(vocabulary.content(.single).mask(room: .max))
      addExits(Free(configurations: [configuration], room: .max), items: configuration, into: &mask)
    }
    let members =
      compared.isEmpty
      ? sets.members[Int(set)] : sets.members[Int(set)].filter { !sets.automaton.comparesItems($0.state) }
    let (free, rest) = separate(members, into: &mask)
    if let free { addExits(free, items: nil, into: &mask) }
    if !rest.isEmpty {
      path[0] = rest.count == sets.members[Int(set)].count ? set : sets.intern(rest)
      walk(1..<vocabulary.nodeBytes.count, into: &mask)
    }
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

  /// Configurations inside of strings in which any character may follow.
  private struct Free {
    var configurations: [Configuration] = []
    var spelling = StringContent.Spelling.single
    /// The most characters that may follow.
    var room = 0
  }

  /// Finds those that stand in strings in which anything may follow, and adds what stays inside.
  private func separate(_ members: [Configuration], into mask: inout TokenMask) -> (Free?, [Configuration]) {
    var free = Free()
    for configuration in members {
      guard let spelling = sets.automaton.contents[configuration.state],
        free.configurations.isEmpty || spelling == free.spelling
      else { continue }
      let depth = PushdownAutomaton.depthLimit - configuration.stack.depth
      guard let room = sets.automaton.characterRoom(configuration.state, configuration.record, room: depth) else {
        continue
      }
      mask.formUnion(vocabulary.content(spelling).mask(room: room))
      free.spelling = spelling
      free.room = max(free.room, room)
      free.configurations.append(configuration)
    }
    if free.configurations.isEmpty { return (nil, members) }
    // Rules for one character that are called from there are covered with it.
    let found = free.configurations
    func isCovered(_ configuration: Configuration) -> Bool {
      if found.contains(where: {
        $0.state == configuration.state && $0.record === configuration.record && $0.stack === configuration.stack
      }) {
        return true
      }
      return !configuration.stack.entries.isEmpty
        && configuration.stack.entries.allSatisfy { entry in
          sets.automaton.contents[entry.state] != nil && found.contains { $0.stack === entry.parent }
        }
    }
    free.configurations = members.filter(isCovered)
    return (free, members.filter { !isCovered($0) })
  }

  /// Adds the tokens in which a string ends. `items` is the only configuration where it stands in an item that must be
  /// new.
  private mutating func addExits(_ free: Free, items: Configuration?, into mask: inout TokenMask) {
    let content = vocabulary.content(free.spelling)
    let start = sets.intern(free.configurations)
    for (index, exit) in content.exits.enumerated() where Int(exit.characterCount) <= free.room {
      let node = Int(exit.node)
      var set = start
      if let record = items?.record, let items {
        // Most tokens end there, and only the text, without the quote that ends it, has to be looked at.
        let text = record.content.current + content.path(toExit: index).dropLast()
        if record.content.seen.contains(text) { continue }
        if node + 1 < Int(vocabulary.nodeEnds[node]) { set = sets.closing(items, text: text) }
      } else {
        for byte in content.path(toExit: index) {
          set = sets.next(set, byte)
          if set < 0 { break }
        }
      }
      guard set >= 0 else { continue }
      path[Int(vocabulary.nodeDepths[node])] = set
      for token in vocabulary.nodeTokens[Int(vocabulary.firstTokens[node])..<Int(vocabulary.firstTokens[node + 1])] {
        mask.insert(token)
      }
      if node + 1 < Int(vocabulary.nodeEnds[node]) { walk(node + 1..<Int(vocabulary.nodeEnds[node]), into: &mask) }
    }
  }

  /// Walks a part of the trie; `path` holds the sets of the nodes above it.
  private mutating func walk(_ range: Range<Int>, into mask: inout TokenMask) {
    var node = range.lowerBound
    // The fast pass stops where the automaton has to grow.
    while true {
      node = mask.words.withUnsafeMutableBufferPointer { words in
        path.withUnsafeMutableBufferPointer { path in
          sets.transitions.withUnsafeBufferPointer { transitions in
            Self.walk(
              vocabulary, classes: sets.automaton.sharedClasses, classCount: sets.automaton.sharedClassCount,
              transitions: transitions, from: node, to: range.upperBound, path: path, words: words)
          }
        }
      }
      guard node < range.upperBound else { return }
      _ = sets.next(path[Int(vocabulary.nodeDepths[node]) - 1], vocabulary.nodeBytes[node])
    }
  }

  /// Walks on from `node` and returns the first node whose transition is unknown, or `end` or a node behind it.
  private static func walk(
    _ vocabulary: TokenVocabulary, classes: [UInt8], classCount: Int, transitions: UnsafeBufferPointer<Int32>,
    from node: Int, to end: Int, path: UnsafeMutableBufferPointer<Int32>, words: UnsafeMutableBufferPointer<UInt64>
  ) -> Int {
    vocabulary.withTrie { bytes, depths, ends, firstTokens, tokens in
      classes.withUnsafeBufferPointer { classes in
        var node = node
        while node < end {
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
