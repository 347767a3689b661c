import Glibc
import Synchronization

/// What is known of every token: its bytes, and whether it is special. Built once a model.
///
/// The texts of ordinary tokens are held as a trie whose nodes lie in preorder, so that a walk of it is one pass over
/// flat arrays that skips what an automaton refuses.
package final class TokenVocabulary: Sendable {
  package let size: Int
  /// Ids that end an output, ascending.
  let endTokens: [Int32]
  /// Bytes of the ordinary tokens, nil for all others.
  let texts: [[UInt8]?]
  /// Special tokens that have a text and do not end the output.
  let specials: [(id: Int32, text: [UInt8])]
  /// Bytes that some ordinary token consists of.
  let singleBytes: [Bool]

  /// Node 0 is the root. `nodeBytes[i]` leads to node `i`, at `nodeDepths[i]` bytes from the root; the nodes below it
  /// are those before `nodeEnds[i]`.
  let nodeBytes: [UInt8]
  let nodeDepths: [Int32]
  let nodeEnds: [Int32]
  /// The tokens that end at node `i` are `nodeTokens[firstTokens[i]..<firstTokens[i + 1]]`.
  let firstTokens: [Int32]
  let nodeTokens: [Int32]
  let depth: Int
  private let contents = Mutex<[StringContent.Spelling: StringContent]>([:])

  /// `tokens[id]` is the text of token `id`, nil where it has none. Ids in `special` or `endTokens` beyond it are
  /// ignored.
  package init(tokens: [[UInt8]?], special: Set<Int32>, endTokens: Set<Int32>) {
    size = tokens.count
    self.endTokens = endTokens.filter { $0 >= 0 && Int($0) < tokens.count }.sorted()
    var texts = tokens
    var specials: [(id: Int32, text: [UInt8])] = []
    for id in special.sorted() where id >= 0 && Int(id) < tokens.count {
      if let text = tokens[Int(id)], !text.isEmpty, !endTokens.contains(id) { specials.append((id, text)) }
      texts[Int(id)] = nil
    }
    for id in self.endTokens { texts[Int(id)] = nil }
    // A token without bytes would be a step without progress.
    for id in texts.indices where texts[id]?.isEmpty == true { texts[id] = nil }
    self.specials = specials
    self.texts = texts
    var singleBytes = [Bool](repeating: false, count: 256)
    for case let text? in texts where text.count == 1 { singleBytes[Int(text[0])] = true }
    self.singleBytes = singleBytes

    var builder = TrieBuilder()
    builder.insert(texts)
    nodeBytes = builder.bytes
    nodeDepths = builder.depths
    nodeEnds = builder.ends
    firstTokens = builder.firstTokens
    nodeTokens = builder.tokens
    depth = builder.maximalDepth
  }

  /// What may follow inside of strings; found the first time it is asked for.
  func content(_ spelling: StringContent.Spelling) -> StringContent {
    if let known = contents.withLock({ $0[spelling] }) { return known }
    let content = StringContent(spelling, self)
    contents.withLock { $0[spelling] = content }
    return content
  }
}

/// Lays a trie out in preorder, from tokens sorted by their bytes.
private struct TrieBuilder {
  var bytes: [UInt8] = [0]
  var depths: [Int32] = [0]
  var ends: [Int32] = [0]
  var firstTokens: [Int32] = [0]
  var tokens: [Int32] = []
  var maximalDepth = 0

  mutating func insert(_ texts: [[UInt8]?]) {
    var offsets: [Int] = [0]
    offsets.reserveCapacity(texts.count + 1)
    var flat: [UInt8] = []
    for text in texts {
      if let text { flat += text }
      offsets.append(flat.count)
    }
    flat.withUnsafeBufferPointer { flat in
      var order = texts.indices.filter { offsets[$0 + 1] > offsets[$0] }.map { Int32($0) }
      offsets.withUnsafeBufferPointer { offsets in
        guard let base = flat.baseAddress else { return }
        order.sort { a, b in
          let (startA, startB) = (offsets[Int(a)], offsets[Int(b)])
          let (countA, countB) = (offsets[Int(a) + 1] - startA, offsets[Int(b) + 1] - startB)
          let order = memcmp(base + startA, base + startB, min(countA, countB))
          return order != 0 ? order < 0 : countA != countB ? countA < countB : a < b
        }
      }
      // The nodes from the root to the last one added.
      var path: [Int] = [0]
      var previous = 0..<0
      for token in order {
        let text = offsets[Int(token)]..<offsets[Int(token) + 1]
        var common = 0
        while common < min(previous.count, text.count),
          flat[previous.lowerBound + common] == flat[text.lowerBound + common]
        { common += 1 }
        close(&path, to: common)
        for at in common..<text.count {
          path.append(bytes.count)
          bytes.append(flat[text.lowerBound + at])
          depths.append(Int32(at + 1))
          ends.append(0)
          firstTokens.append(Int32(tokens.count))
        }
        maximalDepth = max(maximalDepth, text.count)
        tokens.append(token)
        previous = text
      }
      close(&path, to: 0)
      ends[0] = Int32(bytes.count)
      firstTokens.append(Int32(tokens.count))
    }
  }

  private mutating func close(_ path: inout [Int], to depth: Int) {
    while path.count > depth + 1 { ends[path.removeLast()] = Int32(bytes.count) }
  }
}
