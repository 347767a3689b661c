import JSON
import Synchronization

/// Which tokens may follow inside of a JSON string that nothing restricts, by how many characters they hold.
///
/// It depends on the vocabulary only, and spares the walk of all tokens wherever a sequence stands in such a string.
final class StringContent: Sendable {
  /// How characters are written.
  enum Spelling: Hashable, Sendable, CaseIterable {
    /// Each in one way, as in strings of counted length and in names.
    case single
    case any
  }

  /// A node of the trie at which a string has ended, after so many characters.
  struct Exit: Sendable {
    var node: Int32
    var characterCount: Int32
  }

  private let vocabularySize: Int
  /// Tokens that stay inside, by the characters they need: begun ones count.
  private let tokens: [[Int32]]
  /// In the order of the trie; none lies below another one.
  let exits: [Exit]
  /// The bytes that lead to exit `i` are `bytes[byteStarts[i]..<byteStarts[i + 1]]`.
  private let bytes: [UInt8]
  private let byteStarts: [Int32]
  private let masks: Mutex<[Int: TokenMask]> = Mutex([:])

  /// Walks the vocabulary's trie once.
  init(_ spelling: Spelling, _ vocabulary: TokenVocabulary) {
    vocabularySize = vocabulary.size
    var tokens: [[Int32]] = []
    var exits: [Exit] = []
    var bytes: [UInt8] = []
    var byteStarts: [Int32] = [0]
    if var sets = Self.sets(spelling, vocabulary) {
      let inside = sets.next(sets.initial(), UInt8(ascii: "\""))
      var path = [(set: ConfigurationSets.SetID, count: Int32, byte: UInt8)](
        repeating: (inside, 0, 0), count: vocabulary.depth + 1)
      var node = 1
      while node < vocabulary.nodeBytes.count, inside >= 0 {
        let depth = Int(vocabulary.nodeDepths[node])
        let byte = vocabulary.nodeBytes[node]
        let set = sets.next(path[depth - 1].set, byte)
        var count = path[depth - 1].count
        if set < 0 || sets.isComplete[Int(set)] {
          if set >= 0 {
            exits.append(Exit(node: Int32(node), characterCount: count))
            bytes += path[1..<depth].map(\.byte) + [byte]
            byteStarts.append(Int32(bytes.count))
          }
          node = Int(vocabulary.nodeEnds[node])
          continue
        }
        if set == inside { count += 1 }
        path[depth] = (set, count, byte)
        let needed = Int(count) + (set == inside ? 0 : 1)
        while tokens.count <= needed { tokens.append([]) }
        tokens[needed] +=
          vocabulary.nodeTokens[Int(vocabulary.firstTokens[node])..<Int(vocabulary.firstTokens[node + 1])]
        node += 1
      }
    }
    (self.tokens, self.exits, self.bytes, self.byteStarts) = (tokens, exits, bytes, byteStarts)
  }

  func path(toExit index: Int) -> ArraySlice<UInt8> { bytes[Int(byteStarts[index])..<Int(byteStarts[index + 1])] }

  /// The tokens that stay inside and need no more than `room` characters.
  func mask(room: Int) -> TokenMask {
    let room = min(max(room, 0), tokens.count - 1)
    guard room > 0 else { return TokenMask(vocabularySize: vocabularySize) }
    return masks.withLock { masks in
      if let known = masks[room] { return known }
      var mask = TokenMask(vocabularySize: vocabularySize)
      for list in tokens[...room] { for token in list { mask.insert(token) } }
      masks[room] = mask
      return mask
    }
  }

  private static func sets(_ spelling: Spelling, _ vocabulary: TokenVocabulary) -> ConfigurationSets? {
    let compiler = GrammarCompiler(vocabulary)
    do throws(StructuredOutputError) {
      let root = try compiler.reserveRule("#")
      var builder = compiler.makeBuilder()
      let schema = SchemaCompiler(true, in: compiler)
      switch spelling {
      case .single: try schema.addQuoted(.all, to: &builder, from: RuleBuilder.start, end: RuleBuilder.end)
      case .any: builder.addCall(try schema.anyString(), from: RuleBuilder.start, to: RuleBuilder.end)
      }
      try compiler.define(root, builder)
      return ConfigurationSets(try compiler.automaton())
    } catch { return nil }
  }
}
